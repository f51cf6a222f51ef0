// The model of topics over journal, catalog and segment objects, by model_main.h; plants: journal,
// catalog, objects.
#include "history_model.h"

#include "model_main.h"

using millrace::broker::HistoryModel;

int main(int argc, char** argv) {
  millrace::fault::ModelMain<HistoryModel> model({
      .schedules = 2000,
      .all_counted = 300,
      .plants = {{"journal", [](const std::string& path) { return path.ends_with(".log"); }},
                 {"catalog",
                  [](const std::string& path) { return path.starts_with("/data/catalog.db"); }},
                 {"objects",
                  [](const std::string& path) {
                    return path.ends_with(".object") || path.starts_with("/data/segments");
                  }}},
  });
  return model.run(argc, argv);
}

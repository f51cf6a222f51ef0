// The model of the journal, by model_main.h; plants: journal, directory.
#include "journal_model.h"

#include "model_main.h"

using millrace::journal::JournalModel;

int main(int argc, char** argv) {
  millrace::fault::ModelMain<JournalModel> model({
      .schedules = 2000,
      .all_counted = 1000,
      .plants = {{"journal",
                  [](const std::string& path) {
                    return path.ends_with(".log") || path.ends_with(".tmp");
                  }},
                 {"directory", [](const std::string& path) { return path.ends_with("/journal"); }}},
  });
  return model.run(argc, argv);
}

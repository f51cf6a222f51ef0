// The model of the catalog, by model_main.h; plants: catalog, directory.
#include "catalog_model.h"

#include "model_main.h"

using millrace::catalog::CatalogModel;

int main(int argc, char** argv) {
  millrace::fault::ModelMain<CatalogModel> model({
      .schedules = 600,
      .all_counted = 300,
      .plants = {{"catalog",
                  [](const std::string& path) { return path.starts_with("/data/catalog.db"); }},
                 {"directory", [](const std::string& path) { return path == "/data"; }}},
  });
  return model.run(argc, argv);
}

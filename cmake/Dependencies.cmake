# Every library we build on, in one place. Versions and reasons: docs/dependencies.md.
set(MILLRACE_DEPS "$ENV{MILLRACE_DEPS}" CACHE PATH "where tools/setup.sh put Arrow and DuckDB")
if(NOT MILLRACE_DEPS)
  set(MILLRACE_DEPS "$ENV{HOME}/.cache/millrace/deps" CACHE PATH "" FORCE)
endif()

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(Python3 REQUIRED COMPONENTS Interpreter)  # makes the Kafka messages
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED COMPONENTS core)
find_package(GTest REQUIRED)
find_package(benchmark REQUIRED)
find_package(ZLIB REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(tomlplusplus REQUIRED IMPORTED_TARGET tomlplusplus)
pkg_check_modules(rdkafka REQUIRED IMPORTED_TARGET rdkafka)
pkg_check_modules(zstd REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(lz4 REQUIRED IMPORTED_TARGET liblz4)
pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(liburing REQUIRED IMPORTED_TARGET liburing)
pkg_check_modules(fuse3 REQUIRED IMPORTED_TARGET fuse3)  # tests only
find_package(Snappy CONFIG REQUIRED)
find_package(SQLite3 3.40 REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(CLI11 CONFIG REQUIRED)
find_package(nlohmann_json REQUIRED)

# Arrow and Parquet: the system's when CMake finds them, else out of the wheel that tools/setup.sh
# unpacked. They are not built with ThreadSanitizer, so the thread tree does without.
if(NOT MILLRACE_SANITIZE STREQUAL "thread")
  find_package(Parquet CONFIG QUIET)
  if(Parquet_FOUND)
    add_library(arrow::arrow ALIAS Arrow::arrow_shared)
    add_library(arrow::parquet ALIAS Parquet::parquet_shared)
    add_library(arrow::s3 ALIAS Arrow::arrow_shared)
  else()
    set(arrow_dir ${MILLRACE_DEPS}/arrow/pyarrow)
    foreach(library arrow parquet arrow_s3)
      file(GLOB file ${arrow_dir}/lib${library}.so.*)
      if(NOT file)
        message(FATAL_ERROR "no lib${library} in ${arrow_dir}: run tools/setup.sh")
      endif()
      add_library(arrow::${library} SHARED IMPORTED)
      set_target_properties(arrow::${library} PROPERTIES IMPORTED_LOCATION ${file}
        INTERFACE_INCLUDE_DIRECTORIES ${arrow_dir}/include)
      install(FILES ${file} DESTINATION lib/millrace)  # where CMAKE_INSTALL_RPATH looks
    endforeach()
    set_property(TARGET arrow::parquet PROPERTY INTERFACE_LINK_LIBRARIES arrow::arrow)
    add_library(arrow::s3 ALIAS arrow::arrow_s3)  # the wheel has S3 in a library of its own
    set_property(TARGET arrow::arrow_s3 PROPERTY INTERFACE_LINK_LIBRARIES arrow::arrow)
  endif()
endif()

# DuckDB's C library: the system's when CMake finds it, else out of the package that tools/setup.sh
# unpacked. Not built with ThreadSanitizer either.
if(NOT MILLRACE_SANITIZE STREQUAL "thread")
  find_library(duckdb_library duckdb)
  find_path(duckdb_include duckdb.h)
  if(NOT duckdb_library OR NOT duckdb_include)
    set(duckdb_library ${MILLRACE_DEPS}/duckdb/libduckdb.so)
    set(duckdb_include ${MILLRACE_DEPS}/duckdb/include)
    if(NOT EXISTS ${duckdb_library})
      message(FATAL_ERROR "no ${duckdb_library}: run tools/setup.sh")
    endif()
    install(FILES ${duckdb_library} DESTINATION lib/millrace)
  endif()
  add_library(duckdb::duckdb SHARED IMPORTED)
  set_target_properties(duckdb::duckdb PROPERTIES IMPORTED_LOCATION ${duckdb_library}
    INTERFACE_INCLUDE_DIRECTORIES ${duckdb_include})
endif()

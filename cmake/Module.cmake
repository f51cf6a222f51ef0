# millrace_module(NAME x SOURCES .. HEADERS .. [DEPS ..] [PRIVATE_DEPS ..] [TESTS ..] [TEST_DEPS ..] [NO_TSAN])
#   One folder = one static library millrace::x = one namespace. A DEP must be declared earlier in
#   src/CMakeLists.txt, which lists the folders by level: an upward edge fails here.
#   TESTS become one GoogleTest binary x_test (label unit). NO_TSAN: the module, or one below it,
#   links a library that is not built with ThreadSanitizer; the thread tree leaves it out.
# millrace_bench(NAME DEPS ..): micro benchmarks in NAME.cc, by Google Benchmark; the target benches has all.
# millrace_fuzz(NAME SOURCE DEPS ..): a libFuzzer target in the address and coverage trees; ctest runs
#   its corpus (tests/fuzz/corpus/NAME) under the label fuzz. In other trees it is not built.

add_library(millrace_warnings INTERFACE)
target_compile_options(millrace_warnings INTERFACE -Wall -Wextra -Wshadow -Wconversion
  -Wnon-virtual-dtor -Werror
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety -Wno-missing-designated-field-initializers>)

add_library(millrace_options INTERFACE)
target_compile_options(millrace_options INTERFACE -msse4.2 -mpclmul -fno-omit-frame-pointer)
if(MILLRACE_SANITIZE STREQUAL "address")
  # fuzzer-no-link: what the fuzz targets call is instrumented for coverage.
  target_compile_options(millrace_options INTERFACE -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined)
  target_link_options(millrace_options INTERFACE -fsanitize=address,undefined)
elseif(MILLRACE_SANITIZE STREQUAL "thread")
  target_compile_options(millrace_options INTERFACE -fsanitize=thread)
  target_link_options(millrace_options INTERFACE -fsanitize=thread)
elseif(MILLRACE_SANITIZE STREQUAL "coverage")
  target_compile_options(millrace_options INTERFACE -fprofile-instr-generate -fcoverage-mapping -fsanitize=fuzzer-no-link)
  target_link_options(millrace_options INTERFACE -fprofile-instr-generate)
endif()

# One small precompiled header for everything below runtime, one with Asio's awaitable from runtime up.
function(millrace_pch target)
  if(NOT TARGET millrace_pch_std)
    file(WRITE ${CMAKE_BINARY_DIR}/pch/empty.cc "")
    add_library(millrace_pch_std STATIC ${CMAKE_BINARY_DIR}/pch/empty.cc)
    target_link_libraries(millrace_pch_std PRIVATE millrace_options fmt::fmt)
    target_precompile_headers(millrace_pch_std PRIVATE <array> <atomic> <chrono> <cstdint> <cstring> <functional>
      <map> <memory> <mutex> <optional> <span> <string> <string_view> <unordered_map> <utility> <variant> <vector>
      <fmt/format.h>)
  endif()
  target_precompile_headers(${target} REUSE_FROM millrace_pch_std)
endfunction()

function(millrace_module)
  cmake_parse_arguments(M "NO_TSAN" "NAME" "SOURCES;HEADERS;DEPS;PRIVATE_DEPS;TESTS;TEST_DEPS" ${ARGN})
  if(M_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "millrace_module(${M_NAME}): unknown ${M_UNPARSED_ARGUMENTS}")
  endif()
  if(M_NO_TSAN AND MILLRACE_SANITIZE STREQUAL "thread")
    set_property(GLOBAL APPEND PROPERTY MILLRACE_LEFT_OUT millrace::${M_NAME})
    return()
  endif()
  foreach(dep IN LISTS M_DEPS M_PRIVATE_DEPS)
    if(dep MATCHES "^millrace::" AND NOT TARGET ${dep})
      get_property(left_out GLOBAL PROPERTY MILLRACE_LEFT_OUT)
      if(dep IN_LIST left_out)
        message(FATAL_ERROR "${M_NAME} uses ${dep}, which is NO_TSAN: mark ${M_NAME} NO_TSAN too")
      endif()
      message(FATAL_ERROR "${M_NAME} -> ${dep}: not declared yet; dependencies point down the list in src/CMakeLists.txt")
    endif()
  endforeach()
  if(M_SOURCES)
    add_library(millrace_${M_NAME} STATIC ${M_SOURCES})
    target_link_libraries(millrace_${M_NAME} PUBLIC millrace_options ${M_DEPS} PRIVATE millrace_warnings ${M_PRIVATE_DEPS})
    target_sources(millrace_${M_NAME} PUBLIC FILE_SET HEADERS BASE_DIRS ${CMAKE_SOURCE_DIR}/src FILES ${M_HEADERS})
    millrace_pch(millrace_${M_NAME})
  else()
    add_library(millrace_${M_NAME} INTERFACE)
    target_link_libraries(millrace_${M_NAME} INTERFACE millrace_options ${M_DEPS})
    target_sources(millrace_${M_NAME} INTERFACE FILE_SET HEADERS BASE_DIRS ${CMAKE_SOURCE_DIR}/src FILES ${M_HEADERS})
  endif()
  add_library(millrace::${M_NAME} ALIAS millrace_${M_NAME})
  if(M_TESTS)
    add_executable(${M_NAME}_test ${M_TESTS})
    target_link_libraries(${M_NAME}_test PRIVATE millrace::${M_NAME} millrace_warnings ${M_PRIVATE_DEPS} ${M_TEST_DEPS}
      GTest::gmock GTest::gtest_main)
    target_compile_definitions(${M_NAME}_test PRIVATE MILLRACE_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    millrace_pch(${M_NAME}_test)
    add_test(NAME unit.${M_NAME} COMMAND ${M_NAME}_test)
    set_tests_properties(unit.${M_NAME} PROPERTIES LABELS unit TIMEOUT 300)
  endif()
endfunction()

add_custom_target(benches)
function(millrace_bench name)
  add_executable(${name} EXCLUDE_FROM_ALL ${name}.cc)
  target_link_libraries(${name} PRIVATE ${ARGN} millrace_warnings benchmark::benchmark)
  add_dependencies(benches ${name})
endfunction()

add_custom_target(fuzz_targets)
function(millrace_fuzz name source)
  if(NOT MILLRACE_SANITIZE MATCHES "^(address|coverage)$")
    return()
  endif()
  add_dependencies(fuzz_targets fuzz_${name})
  add_executable(fuzz_${name} ${source})
  target_link_libraries(fuzz_${name} PRIVATE ${ARGN} millrace_options)
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  set(corpus ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name})
  add_test(NAME fuzz.${name} COMMAND fuzz_${name} -runs=0 ${corpus})
  set_tests_properties(fuzz.${name} PROPERTIES LABELS fuzz TIMEOUT 120)
endfunction()

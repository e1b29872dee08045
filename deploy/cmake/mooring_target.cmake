# mooring_library(NAME SOURCES...), mooring_executable(NAME SOURCES...) and
# mooring_test(NAME SOURCES... LIBRARIES...): one target per folder, with our
# warnings as errors, hardening, and sanitizers when asked for.

add_library(mooring_flags INTERFACE)
target_include_directories(mooring_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(mooring_flags INTERFACE
  -Wall -Wextra -Wpedantic -Werror -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast
  -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-align -Wformat=2 -Wdouble-promotion
  -Wextra-semi -Wundef
  $<$<CXX_COMPILER_ID:GNU>:-Wduplicated-cond -Wlogical-op -Wuseless-cast -Wsuggest-override>
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>
  -D_GLIBCXX_ASSERTIONS -fstack-protector-strong -fstack-clash-protection
  $<$<STREQUAL:${CMAKE_SYSTEM_PROCESSOR},x86_64>:-fcf-protection>)
if(MOORING_SANITIZE)
  # GCC sees conversions in what the sanitizers add, so warnings are not errors here.
  target_compile_options(mooring_flags INTERFACE -Wno-error -Wno-sign-conversion -Wno-conversion
    -fsanitize=${MOORING_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(mooring_flags INTERFACE -fsanitize=${MOORING_SANITIZE})
else()
  target_compile_options(mooring_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
endif()
target_link_options(mooring_flags INTERFACE -Wl,-z,relro,-z,now)

function(mooring_library name)
  add_library(${name} STATIC ${ARGN})
  target_link_libraries(${name} PRIVATE mooring_flags)
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR})
endfunction()

function(mooring_executable name)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE mooring_flags)
endfunction()

# Builds every test with the label unit; every fuzz target.
add_custom_target(unit_tests)
add_custom_target(fuzz_targets)

# LABEL groups tests for ctest -L: unit, contract, integration, phones, e2e, crash, long.
function(mooring_test name)
  cmake_parse_arguments(ARG "" "LABEL;TIMEOUT" "SOURCES;LIBRARIES" ${ARGN})
  mooring_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LIBRARIES} GTest::gmock GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name})
  if(ARG_LABEL STREQUAL unit)
    add_dependencies(unit_tests ${name})
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  set_tests_properties(${name} PROPERTIES LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT})
endfunction()

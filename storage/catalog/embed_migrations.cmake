# Writes OUTPUT, a C++ source with every migrations/*.sql in FILES, in order.
# Files are NNNN_name.sql, in ascending order.
set(entries "")
set(last 0)
foreach(file IN LISTS FILES)
  get_filename_component(base ${file} NAME_WE)
  if(NOT base MATCHES "^0*([0-9]+)_([a-z_]+)$" OR NOT CMAKE_MATCH_1 GREATER last)
    message(FATAL_ERROR "${file}: expected a migration number above ${last}, as NNNN_name.sql")
  endif()
  set(last ${CMAKE_MATCH_1})
  set(name ${CMAKE_MATCH_2})
  file(SHA256 ${file} hash)
  file(READ ${file} text)
  if(text MATCHES "\\)sql\"")
    message(FATAL_ERROR "${file}: must not hold )sql\"")
  endif()
  string(APPEND entries "    {${last}, \"${name}\",\n     \"${hash}\",\n     R\"sql(${text})sql\"},\n")
endforeach()
file(WRITE ${OUTPUT} "// Generated from storage/catalog/migrations by embed_migrations.cmake.
#include \"storage/catalog/migrations.h\"

namespace mooring::storage {
namespace {

constexpr Migration kMigrations[] = {
${entries}};

}  // namespace

std::span<const Migration> EmbeddedMigrations() {
  return kMigrations;
}

}  // namespace mooring::storage
")

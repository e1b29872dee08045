// The detail column of an audit row: a flat JSON object of text.

#pragma once

#include <initializer_list>
#include <string>
#include <utility>

namespace mooring::storage {

// Bytes that are not UTF-8 become '?': a row must never fail to be written for them.
std::string AuditDetail(std::initializer_list<std::pair<const char*, std::string>> fields);

}  // namespace mooring::storage

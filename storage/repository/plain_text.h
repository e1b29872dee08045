// Text from outside, made fit for a text column: UTF-8 without NUL.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace mooring::storage {

// Bytes of the well-formed UTF-8 sequence (RFC 3629) at the front of `text`,
// which is not empty; 0 if there is none.
std::size_t Utf8Length(std::string_view text);

// `text` with every byte that is not UTF-8, and every NUL, turned into '?', cut
// to at most `bytes_max` bytes at the end of a character.
std::string PlainText(std::string_view text, std::size_t bytes_max);

}  // namespace mooring::storage

// Text that others wrote (names of phones and people, messages of a server),
// made safe to show on a terminal.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace mooring {

inline constexpr char32_t kReplacementCharacter = 0xFFFD;

// The first code point of UTF-8 text and the bytes that it takes;
// kReplacementCharacter and 1 for a byte that starts none.
struct CodePoint {
  char32_t value = 0;
  std::size_t bytes = 1;
};
// `text` is not empty.
CodePoint DecodeUtf8(std::string_view text);

// Control characters, line separators and bidirectional controls: what a
// terminal or an editor acts upon rather than shows.
bool IsUnsafeToShow(char32_t c);

// `text` with line breaks and tabs as spaces, other unsafe characters removed,
// and what is not UTF-8 replaced.
std::string CleanText(std::string_view text);

}  // namespace mooring

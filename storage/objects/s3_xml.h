// What an S3 store answers in XML, read with bounds: no document type, no
// entities but the five, no more depth, elements or text than a page needs.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>
#include <absl/time/time.h>

namespace mooring::storage {

inline constexpr std::size_t kS3XmlBytesMax = std::size_t{8} << 20;

struct XmlElement {
  std::string name;  // Without a namespace's prefix.
  std::string text;  // Of this element alone.
  std::vector<XmlElement> children;

  const XmlElement* Find(std::string_view child) const;
  // Its text; empty where there is none.
  std::string_view TextOf(std::string_view child) const;
};

// The root. kDataLoss: not well-formed, or beyond the bounds.
absl::StatusOr<XmlElement> ParseXml(std::string_view xml);

struct S3Error {
  std::string code;  // "NoSuchKey"; empty where the answer was no error of S3's.
  std::string message;
};
// Never fails: an answer that cannot be read says nothing.
S3Error ParseS3Error(std::string_view xml);

struct S3ListedObject {
  std::string key;
  std::uint64_t size_bytes = 0;
  absl::Time stored_at;
};
struct S3ListPage {
  std::vector<S3ListedObject> objects;
  std::string next_token;  // Empty: this was the last page.
};
absl::StatusOr<S3ListPage> ParseS3ListPage(std::string_view xml);

struct S3Version {
  std::string key;
  std::string id;
};
struct S3VersionPage {
  std::vector<S3Version> versions;  // Delete markers among them; newest first for one key.
  std::string next_key;             // Both empty: this was the last page.
  std::string next_version;
};
absl::StatusOr<S3VersionPage> ParseS3VersionPage(std::string_view xml);

struct S3Upload {
  std::string key;
  std::string id;
  absl::Time begun_at;
};
// The first page alone.
absl::StatusOr<std::vector<S3Upload>> ParseS3UploadPage(std::string_view xml);

}  // namespace mooring::storage

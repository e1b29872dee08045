#include "storage/objects/s3_xml.h"

#include <algorithm>
#include <memory>
#include <utility>

#include <absl/strings/numbers.h>
#include <expat.h>
#include <fmt/format.h>

#include "storage/base/bytes.h"
#include "storage/base/status.h"

namespace mooring::storage {
namespace {

constexpr std::size_t kDepthMax = 16;
constexpr std::size_t kElementsMax = 50'000;
constexpr std::size_t kErrorTextMax = 300;

// Builds the tree while expat reads. The elements that are open are the last
// children of each other, so a path of pointers leads to where text belongs; a
// vector that grows moves closed elements alone.
class TreeBuilder {
 public:
  explicit TreeBuilder(XML_Parser parser) : parser_(parser) {
    XML_SetUserData(parser_, this);
    XML_SetElementHandler(parser_, &TreeBuilder::OnStart, &TreeBuilder::OnEnd);
    XML_SetCharacterDataHandler(parser_, &TreeBuilder::OnText);
    XML_SetStartDoctypeDeclHandler(parser_, &TreeBuilder::OnDoctype);
  }

  XmlElement Take() { return std::move(root_); }
  std::string_view refusal() const { return refusal_; }

 private:
  static void OnStart(void* self, const XML_Char* name, const XML_Char**) {
    static_cast<TreeBuilder*>(self)->Start(name);
  }
  static void OnEnd(void* self, const XML_Char*) { static_cast<TreeBuilder*>(self)->End(); }
  static void OnText(void* self, const XML_Char* text, int size) {
    static_cast<TreeBuilder*>(self)->Text({text, static_cast<std::size_t>(size)});
  }
  static void OnDoctype(void* self, const XML_Char*, const XML_Char*, const XML_Char*, int) {
    static_cast<TreeBuilder*>(self)->Refuse("it has a document type");
  }

  void Start(std::string_view name) {
    // Expat calls on for what it has read already.
    if (!refusal_.empty()) return;
    if (open_.size() >= kDepthMax) return Refuse("it is too deep");
    if (++elements_ > kElementsMax) return Refuse("it has too many elements");
    const std::size_t colon = name.rfind(':');
    if (colon != std::string_view::npos) name.remove_prefix(colon + 1);
    XmlElement* element = &root_;
    if (!open_.empty()) {
      open_.back()->children.emplace_back();
      element = &open_.back()->children.back();
    }
    element->name = std::string(name);
    open_.push_back(element);
  }

  void End() {
    if (refusal_.empty() && !open_.empty()) open_.pop_back();
  }

  void Text(std::string_view text) {
    if (refusal_.empty() && !open_.empty()) open_.back()->text += text;
  }

  void Refuse(std::string_view why) {
    refusal_ = why;
    XML_StopParser(parser_, XML_FALSE);
  }

  XML_Parser parser_;
  XmlElement root_;
  std::vector<XmlElement*> open_;
  std::size_t elements_ = 0;
  std::string_view refusal_;
};

absl::Status BadXml(std::string_view why) {
  return absl::DataLossError(fmt::format("the store's answer cannot be read: {}", why));
}

absl::StatusOr<XmlElement> ParseRoot(std::string_view xml, std::string_view name) {
  MOORING_ASSIGN_OR_RETURN(XmlElement root, ParseXml(xml));
  if (root.name != name) {
    return BadXml(fmt::format("<{}> in place of <{}>", root.name.substr(0, 64), name));
  }
  return root;
}

absl::StatusOr<std::uint64_t> NumberIn(const XmlElement& element, std::string_view child) {
  std::uint64_t number = 0;
  if (!absl::SimpleAtoi(ToAbsl(element.TextOf(child)), &number)) {
    return BadXml(fmt::format("<{}> is no number", child));
  }
  return number;
}

absl::StatusOr<absl::Time> TimeIn(const XmlElement& element, std::string_view child) {
  absl::Time time;
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, ToAbsl(element.TextOf(child)), &time, &error)) {
    return BadXml(fmt::format("<{}> is no time", child));
  }
  return time;
}

// Keys come with encoding-type=url, so that any foreign name is good XML. "+" is
// a blank there; no key of ours has one.
absl::StatusOr<std::string> DecodeKey(std::string_view text) {
  std::string key;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      key += text[i] == '+' ? ' ' : text[i];
      continue;
    }
    const std::optional<Bytes> byte = FromHex(text.substr(i + 1, 2));
    if (!byte || byte->size() != 1) return BadXml("a key is not encoded as asked for");
    key += AsText(*byte);
    i += 2;
  }
  return key;
}

bool IsTrue(const XmlElement& root, std::string_view child) {
  return root.TextOf(child) == "true";
}

}  // namespace

const XmlElement* XmlElement::Find(std::string_view child) const {
  const auto found = std::find_if(children.begin(), children.end(),
                                  [child](const XmlElement& e) { return e.name == child; });
  return found == children.end() ? nullptr : &*found;
}

std::string_view XmlElement::TextOf(std::string_view child) const {
  const XmlElement* found = Find(child);
  return found == nullptr ? std::string_view() : std::string_view(found->text);
}

absl::StatusOr<XmlElement> ParseXml(std::string_view xml) {
  if (xml.size() > kS3XmlBytesMax) return BadXml("it is too long");
  const std::unique_ptr<XML_ParserStruct, void (*)(XML_Parser)> parser(XML_ParserCreate("UTF-8"),
                                                                       &XML_ParserFree);
  if (parser == nullptr) return absl::ResourceExhaustedError("no memory for an XML parser");
  TreeBuilder builder(parser.get());
  const XML_Status status =
      XML_Parse(parser.get(), xml.data(), static_cast<int>(xml.size()), XML_TRUE);
  if (!builder.refusal().empty()) return BadXml(builder.refusal());
  if (status != XML_STATUS_OK) {
    return BadXml(fmt::format("{} (line {})", XML_ErrorString(XML_GetErrorCode(parser.get())),
                              XML_GetCurrentLineNumber(parser.get())));
  }
  return builder.Take();
}

S3Error ParseS3Error(std::string_view xml) {
  const absl::StatusOr<XmlElement> root = ParseRoot(xml, "Error");
  if (!root.ok()) return {};
  return {.code = std::string(root->TextOf("Code").substr(0, kErrorTextMax)),
          .message = std::string(root->TextOf("Message").substr(0, kErrorTextMax))};
}

absl::StatusOr<S3ListPage> ParseS3ListPage(std::string_view xml) {
  MOORING_ASSIGN_OR_RETURN(const XmlElement root, ParseRoot(xml, "ListBucketResult"));
  S3ListPage page;
  for (const XmlElement& child : root.children) {
    if (child.name != "Contents") continue;
    S3ListedObject object;
    MOORING_ASSIGN_OR_RETURN(object.key, DecodeKey(child.TextOf("Key")));
    MOORING_ASSIGN_OR_RETURN(object.size_bytes, NumberIn(child, "Size"));
    MOORING_ASSIGN_OR_RETURN(object.stored_at, TimeIn(child, "LastModified"));
    page.objects.push_back(std::move(object));
  }
  if (!IsTrue(root, "IsTruncated")) return page;
  page.next_token = std::string(root.TextOf("NextContinuationToken"));
  if (page.next_token.empty()) return BadXml("a page says that it is not the last, and no more");
  return page;
}

absl::StatusOr<S3VersionPage> ParseS3VersionPage(std::string_view xml) {
  MOORING_ASSIGN_OR_RETURN(const XmlElement root, ParseRoot(xml, "ListVersionsResult"));
  S3VersionPage page;
  for (const XmlElement& child : root.children) {
    if (child.name != "Version" && child.name != "DeleteMarker") continue;
    S3Version version;
    MOORING_ASSIGN_OR_RETURN(version.key, DecodeKey(child.TextOf("Key")));
    version.id = std::string(child.TextOf("VersionId"));
    page.versions.push_back(std::move(version));
  }
  if (!IsTrue(root, "IsTruncated")) return page;
  MOORING_ASSIGN_OR_RETURN(page.next_key, DecodeKey(root.TextOf("NextKeyMarker")));
  page.next_version = std::string(root.TextOf("NextVersionIdMarker"));
  if (page.next_key.empty()) return BadXml("a page says that it is not the last, and no more");
  return page;
}

absl::StatusOr<std::vector<S3Upload>> ParseS3UploadPage(std::string_view xml) {
  MOORING_ASSIGN_OR_RETURN(const XmlElement root, ParseRoot(xml, "ListMultipartUploadsResult"));
  std::vector<S3Upload> uploads;
  for (const XmlElement& child : root.children) {
    if (child.name != "Upload") continue;
    S3Upload upload;
    MOORING_ASSIGN_OR_RETURN(upload.key, DecodeKey(child.TextOf("Key")));
    MOORING_ASSIGN_OR_RETURN(upload.begun_at, TimeIn(child, "Initiated"));
    upload.id = std::string(child.TextOf("UploadId"));
    uploads.push_back(std::move(upload));
  }
  return uploads;
}

}  // namespace mooring::storage

#include "proto/yaml_message.h"

#include <algorithm>
#include <limits>
#include <sstream>
#include <utility>
#include <vector>

#include <absl/strings/ascii.h>
#include <absl/strings/escaping.h>
#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/util/json_util.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include "storage/base/status.h"

namespace mooring {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

absl::Status Wrong(int line, std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("line {}: {}", line, what));
}

struct Node {
  enum class Kind { kNull, kScalar, kSequence, kMap };
  Kind kind = Kind::kNull;
  int line = 1;
  std::string key;          // What a map calls this node.
  std::string value;        // kScalar
  std::vector<Node> items;  // kSequence and kMap, in document order.
};

const char* KindName(Node::Kind kind) {
  switch (kind) {
    case Node::Kind::kNull:
      return "nothing";
    case Node::Kind::kScalar:
      return "a single value";
    case Node::Kind::kSequence:
      return "a list";
    case Node::Kind::kMap:
      return "a mapping";
  }
  return "nothing";
}

// Leaves the parser of yaml-cpp, which knows no other way out.
struct Refused {
  int line;
  std::string what;
};

// Builds the tree from the parser's events, so that bounds hold before memory
// is spent and aliases are refused before they are expanded.
class TreeBuilder final : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Begin(mark, "?", anchor, Node::Kind::kNull);
    End();
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw Refused{mark.line + 1, "aliases (*name) are not accepted; write the value out"};
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    const bool plain_null = tag == "?" && (value == "~" || value == "null" || value.empty());
    Begin(mark, tag, anchor, plain_null ? Node::Kind::kNull : Node::Kind::kScalar).value = value;
    End();
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Begin(mark, tag, anchor, Node::Kind::kSequence);
  }
  void OnSequenceEnd() override { End(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Begin(mark, tag, anchor, Node::Kind::kMap);
  }
  void OnMapEnd() override { End(); }

  Node Take() { return std::move(root_); }

 private:
  struct Open {
    Node node;
    bool has_key = false;
    std::string key;
  };

  Node& Begin(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
              Node::Kind kind) {
    const int line = mark.line + 1;
    if (anchor != 0) throw Refused{line, "anchors (&name) are not accepted"};
    if (!tag.empty() && tag != "?" && tag != "!") {
      throw Refused{line, "tags (!type) are not accepted"};
    }
    if (open_.size() >= kYamlDepthMax) {
      throw Refused{line, fmt::format("nested more than {} levels deep", kYamlDepthMax)};
    }
    if (++nodes_ > kYamlNodesMax) {
      throw Refused{line, fmt::format("more than {} values", kYamlNodesMax)};
    }
    Open& open = open_.emplace_back();
    open.node.kind = kind;
    open.node.line = line;
    return open.node;
  }

  void End() {
    Node node = std::move(open_.back().node);
    open_.pop_back();
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node.kind == Node::Kind::kSequence) {
      parent.node.items.push_back(std::move(node));
    } else if (!parent.has_key) {
      TakeKey(parent, node);
    } else {
      node.key = std::move(parent.key);
      parent.node.items.push_back(std::move(node));
      parent.has_key = false;
    }
  }

  static void TakeKey(Open& parent, const Node& node) {
    if (node.kind != Node::Kind::kScalar) {
      throw Refused{node.line, fmt::format("a key is {}", KindName(node.kind))};
    }
    for (const Node& item : parent.node.items) {
      if (item.key == node.value) {
        throw Refused{node.line, fmt::format("key \"{}\" was already given in line {}",
                                             absl::CEscape(item.key), item.line)};
      }
    }
    parent.key = node.value;
    parent.has_key = true;
  }

  Node root_;
  std::vector<Open> open_;
  std::size_t nodes_ = 0;
};

absl::StatusOr<Node> Parse(std::string_view text) {
  if (text.size() > kYamlBytesMax) {
    return absl::InvalidArgumentError(
        fmt::format("document is {} bytes long; at most {} are read", text.size(), kYamlBytesMax));
  }
  std::istringstream stream{std::string(text)};
  TreeBuilder tree;
  try {
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(tree)) return Node{};
    TreeBuilder more;
    if (parser.HandleNextDocument(more)) {
      return Wrong(more.Take().line, "a second document; a file holds one");
    }
  } catch (const Refused& refused) {
    return Wrong(refused.line, refused.what);
  } catch (const YAML::Exception& error) {
    return Wrong(error.mark.line + 1, fmt::format("not YAML: {}", error.msg));
  }
  return tree.Take();
}

std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

// " (did you mean "x"?)" where one of `known` is close, the list of them otherwise.
std::string Suggest(std::string_view given, const std::vector<std::string>& known) {
  std::string best;
  std::size_t best_distance = 3;
  if (given.size() <= 64) {
    for (const std::string& name : known) {
      const std::size_t distance = EditDistance(given, name);
      if (distance < best_distance) {
        best = name;
        best_distance = distance;
      }
    }
  }
  if (!best.empty()) return fmt::format("did you mean \"{}\"?", best);
  return fmt::format("known are {}", fmt::join(known, ", "));
}

// The value's name without the prefix that all values of the enum share.
std::string ShortName(const EnumValueDescriptor& value) {
  std::string prefix(value.type()->value(0)->name());
  constexpr std::string_view kZero = "UNSPECIFIED";
  if (prefix.size() > kZero.size() && absl::EndsWith(prefix, ToAbsl(kZero))) {
    prefix.resize(prefix.size() - kZero.size());
  } else {
    prefix.clear();
  }
  std::string name(value.name());
  if (name.rfind(prefix, 0) == 0) name.erase(0, prefix.size());
  absl::AsciiStrToLower(&name);
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

std::string Shown(const std::string& value) {
  return absl::CEscape(value.substr(0, 64));
}

class Reader {
 public:
  static absl::Status Fill(const Node& node, Message& message) {
    if (node.kind == Node::Kind::kNull) return absl::OkStatus();
    const Descriptor& type = *message.GetDescriptor();
    if (node.kind != Node::Kind::kMap) {
      return Wrong(node.line,
                   fmt::format("keys and values are expected here, not {}", KindName(node.kind)));
    }
    for (const Node& item : node.items) {
      const FieldDescriptor* field = type.FindFieldByName(item.key);
      if (field == nullptr) return UnknownKey(type, item.key, item.line);
      MOORING_RETURN_IF_ERROR(SetField(*field, item, message));
    }
    return absl::OkStatus();
  }

 private:
  static absl::Status UnknownKey(const Descriptor& type, const std::string& key, int line) {
    std::vector<std::string> known;
    for (int i = 0; i < type.field_count(); ++i) known.push_back(type.field(i)->name());
    return Wrong(line, fmt::format("unknown key \"{}\"; {}", Shown(key), Suggest(key, known)));
  }

  static absl::Status SetField(const FieldDescriptor& field, const Node& node, Message& message) {
    if (field.is_map()) {
      return Wrong(node.line, fmt::format("\"{}\" cannot be set from YAML", field.name()));
    }
    if (!field.is_repeated()) return SetOne(field, node, message);
    if (node.kind != Node::Kind::kSequence) {
      return Wrong(node.line,
                   fmt::format("\"{}\" takes a list, not {}", field.name(), KindName(node.kind)));
    }
    for (const Node& item : node.items) {
      MOORING_RETURN_IF_ERROR(SetOne(field, item, message));
    }
    return absl::OkStatus();
  }

  static absl::Status SetOne(const FieldDescriptor& field, const Node& node, Message& message) {
    const Reflection& reflection = *message.GetReflection();
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      return Fill(node, field.is_repeated() ? *reflection.AddMessage(&message, &field)
                                            : *reflection.MutableMessage(&message, &field));
    }
    if (node.kind != Node::Kind::kScalar) {
      return Wrong(node.line, fmt::format("\"{}\" takes a single value, not {}", field.name(),
                                          KindName(node.kind)));
    }
    return SetScalar(field, node, message);
  }

  template <typename T>
  static absl::StatusOr<T> Integer(const FieldDescriptor& field, const Node& node) {
    T value{};
    if (!absl::SimpleAtoi(node.value, &value)) {
      return Wrong(node.line, fmt::format("\"{}\" takes a whole number from {} to {}, not \"{}\"",
                                          field.name(), std::numeric_limits<T>::min(),
                                          std::numeric_limits<T>::max(), Shown(node.value)));
    }
    return value;
  }

  static absl::Status SetScalar(const FieldDescriptor& field, const Node& node, Message& message) {
    const Reflection& r = *message.GetReflection();
    const bool add = field.is_repeated();
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32: {
        MOORING_ASSIGN_OR_RETURN(const auto v, Integer<std::int32_t>(field, node));
        add ? r.AddInt32(&message, &field, v) : r.SetInt32(&message, &field, v);
        return absl::OkStatus();
      }
      case FieldDescriptor::CPPTYPE_UINT32: {
        MOORING_ASSIGN_OR_RETURN(const auto v, Integer<std::uint32_t>(field, node));
        add ? r.AddUInt32(&message, &field, v) : r.SetUInt32(&message, &field, v);
        return absl::OkStatus();
      }
      case FieldDescriptor::CPPTYPE_INT64: {
        MOORING_ASSIGN_OR_RETURN(const auto v, Integer<std::int64_t>(field, node));
        add ? r.AddInt64(&message, &field, v) : r.SetInt64(&message, &field, v);
        return absl::OkStatus();
      }
      case FieldDescriptor::CPPTYPE_UINT64: {
        MOORING_ASSIGN_OR_RETURN(const auto v, Integer<std::uint64_t>(field, node));
        add ? r.AddUInt64(&message, &field, v) : r.SetUInt64(&message, &field, v);
        return absl::OkStatus();
      }
      case FieldDescriptor::CPPTYPE_BOOL:
        return SetBool(field, node, message);
      case FieldDescriptor::CPPTYPE_ENUM:
        return SetEnum(field, node, message);
      case FieldDescriptor::CPPTYPE_STRING:
        return SetString(field, node, message);
      default:
        return Wrong(node.line, fmt::format("\"{}\" cannot be set from YAML", field.name()));
    }
  }

  static absl::Status SetBool(const FieldDescriptor& field, const Node& node, Message& message) {
    if (node.value != "true" && node.value != "false") {
      return Wrong(node.line, fmt::format("\"{}\" takes true or false, not \"{}\"", field.name(),
                                          Shown(node.value)));
    }
    const bool value = node.value == "true";
    const Reflection& r = *message.GetReflection();
    field.is_repeated() ? r.AddBool(&message, &field, value) : r.SetBool(&message, &field, value);
    return absl::OkStatus();
  }

  static absl::Status SetEnum(const FieldDescriptor& field, const Node& node, Message& message) {
    const EnumDescriptor& type = *field.enum_type();
    std::vector<std::string> known;
    for (int i = 1; i < type.value_count(); ++i) {
      const EnumValueDescriptor& value = *type.value(i);
      known.push_back(ShortName(value));
      if (node.value != known.back() && node.value != value.name()) continue;
      const Reflection& r = *message.GetReflection();
      field.is_repeated() ? r.AddEnum(&message, &field, &value)
                          : r.SetEnum(&message, &field, &value);
      return absl::OkStatus();
    }
    return Wrong(node.line, fmt::format("\"{}\" cannot be \"{}\"; {}", field.name(),
                                        Shown(node.value), Suggest(node.value, known)));
  }

  static absl::Status SetString(const FieldDescriptor& field, const Node& node, Message& message) {
    std::string value = node.value;
    if (field.type() == FieldDescriptor::TYPE_BYTES && !absl::Base64Unescape(node.value, &value)) {
      return Wrong(node.line, fmt::format("\"{}\" takes base64", field.name()));
    }
    const Reflection& r = *message.GetReflection();
    field.is_repeated() ? r.AddString(&message, &field, std::move(value))
                        : r.SetString(&message, &field, std::move(value));
    return absl::OkStatus();
  }
};

class Writer {
 public:
  explicit Writer(YAML::Emitter& out) : out_(out) {}

  void Write(const Message& message) {
    std::vector<const FieldDescriptor*> set;
    message.GetReflection()->ListFields(message, &set);
    out_ << YAML::BeginMap;
    for (const FieldDescriptor* field : set) {
      out_ << YAML::Key << field->name() << YAML::Value;
      if (!field->is_repeated()) {
        WriteOne(message, *field, -1);
        continue;
      }
      out_ << YAML::BeginSeq;
      const int count = message.GetReflection()->FieldSize(message, field);
      for (int i = 0; i < count; ++i) WriteOne(message, *field, i);
      out_ << YAML::EndSeq;
    }
    out_ << YAML::EndMap;
  }

 private:
  // `i` is the index in a repeated field, -1 for a single one.
  void WriteOne(const Message& message, const FieldDescriptor& f, int i) {
    const Reflection& r = *message.GetReflection();
    switch (f.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        out_ << (i < 0 ? r.GetInt32(message, &f) : r.GetRepeatedInt32(message, &f, i));
        return;
      case FieldDescriptor::CPPTYPE_UINT32:
        out_ << (i < 0 ? r.GetUInt32(message, &f) : r.GetRepeatedUInt32(message, &f, i));
        return;
      case FieldDescriptor::CPPTYPE_INT64:
        out_ << (i < 0 ? r.GetInt64(message, &f) : r.GetRepeatedInt64(message, &f, i));
        return;
      case FieldDescriptor::CPPTYPE_UINT64:
        out_ << (i < 0 ? r.GetUInt64(message, &f) : r.GetRepeatedUInt64(message, &f, i));
        return;
      case FieldDescriptor::CPPTYPE_DOUBLE:
        out_ << (i < 0 ? r.GetDouble(message, &f) : r.GetRepeatedDouble(message, &f, i));
        return;
      case FieldDescriptor::CPPTYPE_FLOAT:
        out_ << (i < 0 ? r.GetFloat(message, &f) : r.GetRepeatedFloat(message, &f, i));
        return;
      case FieldDescriptor::CPPTYPE_BOOL:
        out_ << (i < 0 ? r.GetBool(message, &f) : r.GetRepeatedBool(message, &f, i));
        return;
      case FieldDescriptor::CPPTYPE_ENUM:
        out_ << ShortName(i < 0 ? *r.GetEnum(message, &f) : *r.GetRepeatedEnum(message, &f, i));
        return;
      case FieldDescriptor::CPPTYPE_STRING:
        WriteString(f, i < 0 ? r.GetString(message, &f) : r.GetRepeatedString(message, &f, i));
        return;
      case FieldDescriptor::CPPTYPE_MESSAGE:
        WriteMessage(i < 0 ? r.GetMessage(message, &f) : r.GetRepeatedMessage(message, &f, i));
        return;
    }
  }

  void WriteString(const FieldDescriptor& field, const std::string& value) {
    if (field.type() == FieldDescriptor::TYPE_BYTES) {
      out_ << absl::Base64Escape(value);
      return;
    }
    // A plain scalar must come back as the same string and be read as one by
    // other tools, which take 7, true or null for something else.
    const bool plain = !value.empty() && value != "true" && value != "false" && value != "null" &&
                       value != "yes" && value != "no" && value != "on" && value != "off" &&
                       absl::ascii_isalpha(static_cast<unsigned char>(value[0]));
    if (!plain) out_ << YAML::DoubleQuoted;
    out_ << value;
  }

  void WriteMessage(const Message& message) {
    const std::string& type = message.GetDescriptor()->full_name();
    if (type != "google.protobuf.Timestamp" && type != "google.protobuf.Duration") {
      Write(message);
      return;
    }
    std::string json;
    if (!google::protobuf::util::MessageToJsonString(message, &json).ok()) json = "\"\"";
    out_ << YAML::DoubleQuoted << json.substr(1, json.size() - 2);
  }

  YAML::Emitter& out_;
};

}  // namespace

absl::Status YamlToMessage(std::string_view text, google::protobuf::Message& message) {
  MOORING_ASSIGN_OR_RETURN(const Node root, Parse(text));
  message.Clear();
  return Reader::Fill(root, message);
}

std::string MessageToYaml(const google::protobuf::Message& message) {
  YAML::Emitter out;
  Writer(out).Write(message);
  return std::string(out.c_str()) + "\n";
}

}  // namespace mooring

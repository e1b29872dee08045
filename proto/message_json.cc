#include "proto/message_json.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <absl/time/time.h>
#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include "proto/plain_text.h"
#include "storage/base/bytes.h"
#include "storage/base/check.h"

namespace mooring {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// A JSON string, which is also a YAML double-quoted scalar.
std::string Quoted(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const CodePoint point = DecodeUtf8(text);
    if (point.value == '"' || point.value == '\\') {
      out += '\\';
      out += text[0];
    } else if (point.value == '\n') {
      out += "\\n";
    } else if (point.value == '\t') {
      out += "\\t";
    } else if (IsUnsafeToShow(point.value)) {
      out += fmt::format("\\u{:04x}", static_cast<std::uint32_t>(point.value));
    } else if (point.value == kReplacementCharacter) {
      out += "\xEF\xBF\xBD";
    } else {
      out += text.substr(0, point.bytes);
    }
    text.remove_prefix(point.bytes);
  }
  out += '"';
  return out;
}

std::string NumberText(double value) {
  if (std::isnan(value)) return "\"NaN\"";
  if (std::isinf(value)) return value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
  return fmt::format("{}", value);
}

// A fraction of `nanos`, without zeros at its end: "", ".5", ".000000001".
std::string FractionText(std::int32_t nanos) {
  if (nanos == 0) return "";
  std::string digits = fmt::format(".{:09}", nanos);
  digits.erase(digits.find_last_not_of('0') + 1);
  return digits;
}

std::string TimestampText(const google::protobuf::Timestamp& time) {
  const std::string seconds = absl::FormatTime(
      "%Y-%m-%dT%H:%M:%S", absl::FromUnixSeconds(time.seconds()), absl::UTCTimeZone());
  const std::int32_t nanos = time.nanos() >= 0 && time.nanos() < 1'000'000'000 ? time.nanos() : 0;
  return fmt::format("\"{}{}Z\"", seconds, FractionText(nanos));
}

std::string DurationText(const google::protobuf::Duration& duration) {
  const bool negative = duration.seconds() < 0 || duration.nanos() < 0;
  const auto magnitude = [](std::int64_t value) {
    const auto bits = static_cast<std::uint64_t>(value);
    return value < 0 ? std::uint64_t{0} - bits : bits;
  };
  const std::uint64_t nanos = magnitude(duration.nanos()) % 1'000'000'000;
  return fmt::format("\"{}{}{}s\"", negative ? "-" : "", magnitude(duration.seconds()),
                     FractionText(static_cast<std::int32_t>(nanos)));
}

// A singular message that reads as one value; empty if it has fields to show.
std::string WellKnownText(const Message& message) {
  if (message.GetDescriptor() == google::protobuf::Timestamp::descriptor()) {
    google::protobuf::Timestamp time;
    time.CopyFrom(message);
    return TimestampText(time);
  }
  if (message.GetDescriptor() == google::protobuf::Duration::descriptor()) {
    google::protobuf::Duration duration;
    duration.CopyFrom(message);
    return DurationText(duration);
  }
  return "";
}

// Index into a repeated field, or kSingular.
constexpr int kSingular = -1;

const Message& MessageAt(const Message& message, const FieldDescriptor& field, int index) {
  const auto* reflection = message.GetReflection();
  return index == kSingular ? reflection->GetMessage(message, &field)
                            : reflection->GetRepeatedMessage(message, &field, index);
}

std::string TextAt(const Message& message, const FieldDescriptor& field, int index) {
  const auto* reflection = message.GetReflection();
  std::string scratch;
  const std::string& text =
      index == kSingular ? reflection->GetStringReference(message, &field, &scratch)
                         : reflection->GetRepeatedStringReference(message, &field, index, &scratch);
  return field.type() == FieldDescriptor::TYPE_BYTES ? '"' + ToHex(AsBytes(text)) + '"'
                                                     : Quoted(text);
}

std::string EnumAt(const Message& message, const FieldDescriptor& field, int index) {
  const auto* reflection = message.GetReflection();
  const int number = index == kSingular ? reflection->GetEnumValue(message, &field)
                                        : reflection->GetRepeatedEnumValue(message, &field, index);
  // A newer server may send a value that this program has no name for.
  const auto* value = field.enum_type()->FindValueByNumber(number);
  return value != nullptr ? '"' + value->name() + '"' : fmt::format("{}", number);
}

// The value of a field that is not a message with fields of its own.
std::string ScalarAt(const Message& message, const FieldDescriptor& field, int index) {
  const auto* r = message.GetReflection();
  const bool one = index == kSingular;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return fmt::format(
          "{}", one ? r->GetInt32(message, &field) : r->GetRepeatedInt32(message, &field, index));
    case FieldDescriptor::CPPTYPE_UINT32:
      return fmt::format(
          "{}", one ? r->GetUInt32(message, &field) : r->GetRepeatedUInt32(message, &field, index));
    case FieldDescriptor::CPPTYPE_INT64:
      return fmt::format("\"{}\"", one ? r->GetInt64(message, &field)
                                       : r->GetRepeatedInt64(message, &field, index));
    case FieldDescriptor::CPPTYPE_UINT64:
      return fmt::format("\"{}\"", one ? r->GetUInt64(message, &field)
                                       : r->GetRepeatedUInt64(message, &field, index));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return NumberText(one ? r->GetDouble(message, &field)
                            : r->GetRepeatedDouble(message, &field, index));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return NumberText(static_cast<double>(one ? r->GetFloat(message, &field)
                                                : r->GetRepeatedFloat(message, &field, index)));
    case FieldDescriptor::CPPTYPE_BOOL:
      return (one ? r->GetBool(message, &field) : r->GetRepeatedBool(message, &field, index))
                 ? "true"
                 : "false";
    case FieldDescriptor::CPPTYPE_ENUM:
      return EnumAt(message, field, index);
    case FieldDescriptor::CPPTYPE_STRING:
      return TextAt(message, field, index);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return WellKnownText(MessageAt(message, field, index));
  }
  MOORING_CHECK(false);
}

// The fields to show, in the order of the schema.
std::vector<const FieldDescriptor*> ShownFields(const Message& message) {
  std::vector<const FieldDescriptor*> fields;
  const auto* descriptor = message.GetDescriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor* field = descriptor->field(i);
    // No message of ours has a map; one would need a writer of its own.
    MOORING_CHECK(!field->is_map());
    if (field->is_repeated() || !field->has_presence() ||
        message.GetReflection()->HasField(message, field)) {
      fields.push_back(field);
    }
  }
  return fields;
}

class JsonWriter {
 public:
  explicit JsonWriter(bool indented) : indented_(indented) {}

  std::string Write(const Message& message) {
    WriteObject(message, 0);
    return std::move(out_);
  }

 private:
  void Break(int depth) {
    if (!indented_) return;
    out_ += '\n';
    out_.append(static_cast<std::size_t>(depth) * 2, ' ');
  }

  void WriteObject(const Message& message, int depth) {
    const auto fields = ShownFields(message);
    out_ += '{';
    for (const FieldDescriptor* field : fields) {
      if (field != fields.front()) out_ += ',';
      Break(depth + 1);
      out_ += '"' + field->name() + (indented_ ? "\": " : "\":");
      if (field->is_repeated()) {
        WriteList(message, *field, depth + 1);
      } else {
        WriteValue(message, *field, kSingular, depth + 1);
      }
    }
    if (!fields.empty()) Break(depth);
    out_ += '}';
  }

  void WriteList(const Message& message, const FieldDescriptor& field, int depth) {
    const int count = message.GetReflection()->FieldSize(message, &field);
    out_ += '[';
    for (int i = 0; i < count; ++i) {
      if (i > 0) out_ += ',';
      Break(depth + 1);
      WriteValue(message, field, i, depth + 1);
    }
    if (count > 0) Break(depth);
    out_ += ']';
  }

  void WriteValue(const Message& message, const FieldDescriptor& field, int index, int depth) {
    const std::string scalar = ScalarAt(message, field, index);
    if (scalar.empty()) {
      WriteObject(MessageAt(message, field, index), depth);
    } else {
      out_ += scalar;
    }
  }

  const bool indented_;
  std::string out_;
};

class YamlWriter {
 public:
  std::string Write(const Message& message) {
    if (ShownFields(message).empty()) return "{}\n";
    WriteObject(message, 0, /*first_is_placed=*/false);
    return std::move(out_);
  }

 private:
  void Indent(int depth) { out_.append(static_cast<std::size_t>(depth) * 2, ' '); }

  // `first_is_placed`: the cursor already stands where the first key goes, after "- ".
  void WriteObject(const Message& message, int depth, bool first_is_placed) {
    for (const FieldDescriptor* field : ShownFields(message)) {
      if (!first_is_placed) Indent(depth);
      first_is_placed = false;
      out_ += field->name() + ':';
      if (field->is_repeated()) {
        WriteList(message, *field, depth);
      } else {
        WriteValue(message, *field, depth);
      }
    }
  }

  void WriteList(const Message& message, const FieldDescriptor& field, int depth) {
    const int count = message.GetReflection()->FieldSize(message, &field);
    out_ += count == 0 ? " []\n" : "\n";
    for (int i = 0; i < count; ++i) {
      Indent(depth);
      out_ += "- ";
      const std::string scalar = ScalarAt(message, field, i);
      if (!scalar.empty()) {
        out_ += scalar + '\n';
      } else if (ShownFields(MessageAt(message, field, i)).empty()) {
        out_ += "{}\n";
      } else {
        WriteObject(MessageAt(message, field, i), depth + 1, /*first_is_placed=*/true);
      }
    }
  }

  void WriteValue(const Message& message, const FieldDescriptor& field, int depth) {
    const std::string scalar = ScalarAt(message, field, kSingular);
    if (!scalar.empty()) {
      out_ += ' ' + scalar + '\n';
      return;
    }
    const Message& value = MessageAt(message, field, kSingular);
    if (ShownFields(value).empty()) {
      out_ += " {}\n";
      return;
    }
    out_ += '\n';
    WriteObject(value, depth + 1, /*first_is_placed=*/false);
  }

  std::string out_;
};

}  // namespace

std::string MessageToJson(const Message& message) {
  return JsonWriter(/*indented=*/true).Write(message);
}

std::string MessageToJsonLine(const Message& message) {
  return JsonWriter(/*indented=*/false).Write(message);
}

std::string MessageToYamlView(const Message& message) {
  return YamlWriter().Write(message);
}

}  // namespace mooring

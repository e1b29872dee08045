#include "tests/phones/android/shell.h"

#include <array>
#include <atomic>
#include <cstring>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <fnmatch.h>

#include "storage/base/status.h"

namespace mooring::testing::android {
namespace {

constexpr std::size_t kSubstitutionMax = 1 << 20;
constexpr std::size_t kPipelineMax = 16;
constexpr std::string_view kName = "/system/bin/sh";

// A redirection's file, written when it is closed.
class FileSink final : public ByteSink {
 public:
  explicit FileSink(std::unique_ptr<FileWriter> writer) : writer_(std::move(writer)) {}
  bool Write(std::string_view bytes) override {
    MutexLock lock(mutex_);
    return writer_->Append(bytes) == 0;
  }
  int Finish(std::int64_t now_ns) {
    MutexLock lock(mutex_);
    return writer_->Finish(now_ns);
  }

 private:
  Mutex mutex_;
  const std::unique_ptr<FileWriter> writer_;
};

class FileSource final : public ByteSource {
 public:
  explicit FileSource(std::unique_ptr<FileReader> reader) : reader_(std::move(reader)) {}
  std::size_t Read(std::span<char> out) override { return reader_->Read(out).value; }

 private:
  const std::unique_ptr<FileReader> reader_;
};

class Runner {
 public:
  explicit Runner(const ShellContext& context) : context_(context) {}

  int Run(const ShellList& list) {
    for (const auto& [when, pipeline] : list.items) {
      if (context_.state.has_exited) break;
      const bool succeeded = context_.state.status == 0;
      if (when == ShellList::When::kAfterSuccess && !succeeded) continue;
      if (when == ShellList::When::kAfterFailure && succeeded) continue;
      context_.state.status = RunPipeline(pipeline);
    }
    return context_.state.status;
  }

 private:
  int RunPipeline(const ShellPipeline& pipeline) {
    if (pipeline.commands.size() > kPipelineMax) return context_.Fail(kName, "too many pipes");
    int status = 0;
    if (pipeline.commands.size() == 1) {
      status = RunCommand(context_, pipeline.commands.front());
    } else {
      status = RunStages(pipeline);
    }
    return pipeline.is_negated ? (status == 0 ? 1 : 0) : status;
  }

  // Every stage is a process of its own: a thread with a copy of the state.
  int RunStages(const ShellPipeline& pipeline) {
    const std::size_t count = pipeline.commands.size();
    std::vector<std::unique_ptr<ShellPipe>> pipes;
    for (std::size_t i = 0; i + 1 < count; ++i) pipes.push_back(std::make_unique<ShellPipe>());
    std::vector<std::jthread> stages;
    int status = 0;
    const auto run = [&](std::size_t i) {
      ShellState state = context_.state;
      ByteSource& in = i == 0 ? context_.in : static_cast<ByteSource&>(*pipes[i - 1]);
      {
        std::optional<BufferedSink> buffered;
        if (i + 1 < count) buffered.emplace(*pipes[i]);
        ByteSink& out = buffered ? static_cast<ByteSink&>(*buffered) : context_.out;
        const ShellContext stage{context_.phone, state, in, out, context_.err};
        const int result = Runner(stage).RunCommand(stage, pipeline.commands[i]);
        if (i + 1 == count) status = result;
      }
      if (i + 1 < count) pipes[i]->CloseWriter();
      if (i > 0) pipes[i - 1]->CloseReader();
    };
    for (std::size_t i = 0; i + 1 < count; ++i) stages.emplace_back(run, i);
    run(count - 1);
    stages.clear();
    return status;
  }

  int RunCommand(const ShellContext& outer, const ShellCommand& command) {
    std::vector<std::unique_ptr<ByteSource>> sources;
    std::vector<std::unique_ptr<ByteSink>> sinks;
    std::vector<FileSink*> files;
    std::array<ByteSink*, 3> outputs = {nullptr, &outer.out, &outer.err};
    ByteSource* in = &outer.in;
    for (const ShellRedirect& redirect : command.redirects) {
      if (redirect.kind == ShellRedirect::Kind::kDuplicate) {
        outputs[static_cast<std::size_t>(redirect.from)] =
            outputs[static_cast<std::size_t>(redirect.duplicate)];
        continue;
      }
      if (const int error = Open(outer, redirect, sources, sinks, files, in, outputs); error != 0) {
        return outer.Fail(kName,
                          fmt::format("can't {} {}: {}",
                                      redirect.kind == ShellRedirect::Kind::kIn ? "open" : "create",
                                      ExpandToText(outer, redirect.target), ErrorText(error)));
      }
    }
    NoSink nowhere;
    const ShellContext context{outer.phone, outer.state, *in,
                               outputs[1] == nullptr ? nowhere : *outputs[1],
                               outputs[2] == nullptr ? nowhere : *outputs[2]};
    const int status = RunBare(context, command);
    for (FileSink* file : files) {
      if (const int error = file->Finish(outer.phone.files().NowNs()); error != 0) {
        return outer.Fail(kName, ErrorText(error));
      }
    }
    return status;
  }

  int RunBare(const ShellContext& context, const ShellCommand& command) {
    if (command.group != nullptr) {
      ShellState state = context.state;
      const ShellContext inner{context.phone, state, context.in, context.out, context.err};
      return Runner(inner).Run(*command.group);
    }
    Arguments arguments;
    for (const ShellWord& word : command.words) Expand(context, word, arguments);
    if (arguments.empty()) {
      for (const auto& [name, word] : command.assignments) {
        context.state.variables[name] = ExpandToText(context, word);
      }
      return 0;
    }
    return RunProgram(context, arguments);
  }

  int Open(const ShellContext& context, const ShellRedirect& redirect,
           std::vector<std::unique_ptr<ByteSource>>& sources,
           std::vector<std::unique_ptr<ByteSink>>& sinks, std::vector<FileSink*>& files,
           ByteSource*& in, std::array<ByteSink*, 3>& outputs) {
    const std::string path = context.Absolute(ExpandToText(context, redirect.target));
    if (redirect.kind == ShellRedirect::Kind::kIn) {
      if (path == "/dev/null") {
        sources.push_back(std::make_unique<NoSource>());
      } else {
        OrErrno<std::unique_ptr<FileReader>> file = context.phone.files().Open(path);
        if (!file.ok()) return file.error;
        sources.push_back(std::make_unique<FileSource>(std::move(file.value)));
      }
      in = sources.back().get();
      return 0;
    }
    if (path == "/dev/null") {
      sinks.push_back(std::make_unique<NoSink>());
    } else {
      OrErrno<std::unique_ptr<FileWriter>> file = context.phone.files().Create(path, false);
      if (!file.ok()) return file.error;
      if (redirect.kind == ShellRedirect::Kind::kAppend) CopyOld(context, path, *file.value);
      sinks.push_back(std::make_unique<FileSink>(std::move(file.value)));
      files.push_back(static_cast<FileSink*>(sinks.back().get()));
    }
    outputs[static_cast<std::size_t>(redirect.from)] = sinks.back().get();
    return 0;
  }

  static void CopyOld(const ShellContext& context, const std::string& path, FileWriter& writer) {
    const OrErrno<std::unique_ptr<FileReader>> old = context.phone.files().Open(path);
    if (!old.ok()) return;
    std::array<char, 16 << 10> buffer;
    while (true) {
      const OrErrno<std::size_t> got = old.value->Read(buffer);
      if (!got.ok() || got.value == 0 || writer.Append({buffer.data(), got.value}) != 0) return;
    }
  }

  std::string ValueOf(const ShellContext& context, const ShellPart& part) {
    if (part.kind == ShellPart::Kind::kText) return part.text;
    if (part.kind == ShellPart::Kind::kCommand) {
      TextSink text(kSubstitutionMax);
      ShellState state = context.state;
      const ShellContext inner{context.phone, state, context.in, text, context.err};
      context.state.status = RunShell(inner, part.text);
      std::string value = text.Take();
      while (value.ends_with('\n')) value.pop_back();
      return value;
    }
    if (part.text == "?") return fmt::format("{}", context.state.status);
    if (part.text == "$") return "4711";
    const auto found = context.state.variables.find(part.text);
    return found == context.state.variables.end() ? "" : found->second;
  }

  std::string ExpandToText(const ShellContext& context, const ShellWord& word) {
    std::string text;
    for (const ShellPart& part : word) text += ValueOf(context, part);
    return text;
  }

  // One word can become several, by spaces in an unquoted expansion and by patterns.
  void Expand(const ShellContext& context, const ShellWord& word, Arguments& arguments) {
    std::string text;
    std::string pattern;
    bool has_pattern = false;
    bool exists = false;
    const auto finish = [&]() {
      if (!exists) return;
      const std::vector<std::string> matches =
          has_pattern ? Glob(context, pattern) : std::vector<std::string>();
      if (matches.empty()) {
        arguments.push_back(text);
      } else {
        arguments.insert(arguments.end(), matches.begin(), matches.end());
      }
      text.clear();
      pattern.clear();
      has_pattern = exists = false;
    };
    for (const ShellPart& part : word) {
      const std::string value = ValueOf(context, part);
      exists = exists || part.is_quoted || part.kind == ShellPart::Kind::kText;
      const bool splits = !part.is_quoted && part.kind != ShellPart::Kind::kText;
      for (const char c : value) {
        if (splits && (c == ' ' || c == '\n' || c == '\t')) {
          finish();
          continue;
        }
        exists = true;
        const bool is_wild = c == '*' || c == '?' || c == '[';
        has_pattern = has_pattern || (is_wild && !part.is_quoted);
        if (part.is_quoted && (is_wild || c == '\\')) pattern += '\\';
        text += c;
        pattern += c;
      }
    }
    finish();
  }

  static std::vector<std::string> Glob(const ShellContext& context, std::string_view pattern) {
    std::vector<std::string> found = {pattern.starts_with('/') ? "/" : ""};
    while (!pattern.empty()) {
      while (pattern.starts_with('/')) pattern.remove_prefix(1);
      if (pattern.empty()) break;
      const std::size_t slash = std::min(pattern.find('/'), pattern.size());
      const std::string part(pattern.substr(0, slash));
      pattern.remove_prefix(slash);
      std::vector<std::string> next;
      for (const std::string& base : found) {
        const OrErrno<std::vector<DirectoryItem>> items =
            context.phone.files().List(context.Absolute(base.empty() ? "." : base));
        if (!items.ok()) continue;
        for (const DirectoryItem& item : items.value) {
          if (fnmatch(part.c_str(), item.name.c_str(), FNM_PERIOD) != 0) continue;
          next.push_back(base + item.name + (pattern.empty() ? "" : "/"));
        }
      }
      found = std::move(next);
    }
    return found;
  }

  const ShellContext& context_;
};

}  // namespace

std::string ShellContext::Absolute(std::string_view path) const {
  if (path.starts_with('/')) return std::string(path);
  return state.directory + (state.directory.ends_with('/') ? "" : "/") + std::string(path);
}

int ShellContext::Fail(std::string_view name, std::string_view text) const {
  (void)err.Write(fmt::format("{}: {}\n", name, text));
  return 1;
}

ShellState FirstShellState() {
  ShellState state;
  state.variables = {{"EXTERNAL_STORAGE", "/sdcard"},
                     {"HOME", "/"},
                     {"PATH", "/product/bin:/system/bin:/vendor/bin"},
                     {"TMPDIR", "/data/local/tmp"},
                     {"USER", "shell"}};
  return state;
}

std::string ErrorText(int error) {
  return std::strerror(error);
}

int RunShell(const ShellContext& context, std::string_view line) {
  const absl::StatusOr<ShellList> list = ParseShell(line);
  if (!list.ok()) {
    const absl::string_view message = list.status().message();
    context.phone.AddViolation(
        fmt::format("shell: {}", std::string_view(message.data(), message.size())));
    (void)context.Fail(kName, {message.data(), message.size()});
    return 2;
  }
  return Runner(context).Run(*list);
}

}  // namespace mooring::testing::android

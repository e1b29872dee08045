// Where the commands of a simulated shell read and write.

#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "storage/base/mutex.h"

namespace mooring::testing::android {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // How many bytes came; 0 at the end.
  virtual std::size_t Read(std::span<char> out) = 0;
};

// Thread-safe.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  // False if nobody reads any more: the command should end, as by SIGPIPE.
  virtual bool Write(std::string_view bytes) = 0;
  // Hands on what was held back.
  virtual bool Flush() { return true; }
};

class NoSource final : public ByteSource {
 public:
  std::size_t Read(std::span<char>) override { return 0; }
};

class NoSink final : public ByteSink {
 public:
  bool Write(std::string_view) override { return true; }
};

// Keeps what is written, up to `limit`; beyond it writing fails.
class TextSink final : public ByteSink {
 public:
  explicit TextSink(std::size_t limit = 16 << 20) : limit_(limit) {}
  bool Write(std::string_view bytes) override;
  std::string Take();

 private:
  const std::size_t limit_;
  Mutex mutex_;
  std::string text_ ABSL_GUARDED_BY(mutex_);
};

class TextSource final : public ByteSource {
 public:
  explicit TextSource(std::string text) : text_(std::move(text)) {}
  std::size_t Read(std::span<char> out) override;

 private:
  const std::string text_;
  std::size_t at_ = 0;
};

// Gathers small writes for `sink`. Flushed when it goes.
class BufferedSink final : public ByteSink {
 public:
  explicit BufferedSink(ByteSink& sink) : sink_(sink) {}
  ~BufferedSink() override { (void)Flush(); }
  BufferedSink(const BufferedSink&) = delete;
  BufferedSink& operator=(const BufferedSink&) = delete;
  bool Write(std::string_view bytes) override;
  bool Flush() override;

 private:
  bool FlushHeld() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  ByteSink& sink_;
  Mutex mutex_;
  std::string held_ ABSL_GUARDED_BY(mutex_);
};

// Between two commands of a pipeline; holds 64 KiB.
class ShellPipe final : public ByteSource, public ByteSink {
 public:
  std::size_t Read(std::span<char> out) override;
  bool Write(std::string_view bytes) override;
  void CloseWriter();
  void CloseReader();

 private:
  Mutex mutex_;
  CondVar changed_;
  std::string held_ ABSL_GUARDED_BY(mutex_);
  bool writer_closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool reader_closed_ ABSL_GUARDED_BY(mutex_) = false;
};

// Lines, or what another byte ends, out of a source.
class LineReader {
 public:
  explicit LineReader(ByteSource& source, char end = '\n') : source_(source), end_(end) {}
  // Without its end; false when there is no more.
  bool Next(std::string& line);

 private:
  ByteSource& source_;
  const char end_;
  std::string held_;
  std::size_t at_ = 0;
  bool is_done_ = false;
};

}  // namespace mooring::testing::android

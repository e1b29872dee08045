#include "tests/phones/android/shell_io.h"

#include <algorithm>
#include <utility>

namespace mooring::testing::android {
namespace {

constexpr std::size_t kHeldMax = 32 << 10;
constexpr std::size_t kPipeMax = 64 << 10;
constexpr std::size_t kLineMax = 64 << 10;

}  // namespace

bool TextSink::Write(std::string_view bytes) {
  MutexLock lock(mutex_);
  if (text_.size() + bytes.size() > limit_) return false;
  text_ += bytes;
  return true;
}

std::string TextSink::Take() {
  MutexLock lock(mutex_);
  return std::exchange(text_, {});
}

std::size_t TextSource::Read(std::span<char> out) {
  const std::size_t length = std::min(out.size(), text_.size() - at_);
  text_.copy(out.data(), length, at_);
  at_ += length;
  return length;
}

bool BufferedSink::Write(std::string_view bytes) {
  MutexLock lock(mutex_);
  held_ += bytes;
  return held_.size() < kHeldMax || FlushHeld();
}

bool BufferedSink::Flush() {
  MutexLock lock(mutex_);
  return FlushHeld();
}

bool BufferedSink::FlushHeld() {
  return held_.empty() || sink_.Write(std::exchange(held_, {}));
}

std::size_t ShellPipe::Read(std::span<char> out) {
  MutexLock lock(mutex_);
  changed_.Wait(mutex_, {},
                [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return !held_.empty() || writer_closed_; });
  const std::size_t length = std::min(out.size(), held_.size());
  held_.copy(out.data(), length);
  held_.erase(0, length);
  changed_.NotifyAll();
  return length;
}

bool ShellPipe::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    MutexLock lock(mutex_);
    changed_.Wait(mutex_, {}, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      return held_.size() < kPipeMax || reader_closed_;
    });
    if (reader_closed_) return false;
    const std::size_t length = std::min(bytes.size(), kPipeMax - held_.size());
    held_ += bytes.substr(0, length);
    bytes.remove_prefix(length);
    changed_.NotifyAll();
  }
  return true;
}

void ShellPipe::CloseWriter() {
  MutexLock lock(mutex_);
  writer_closed_ = true;
  changed_.NotifyAll();
}

void ShellPipe::CloseReader() {
  MutexLock lock(mutex_);
  reader_closed_ = true;
  changed_.NotifyAll();
}

bool LineReader::Next(std::string& line) {
  line.clear();
  while (true) {
    const std::size_t end = held_.find(end_, at_);
    if (end != std::string::npos) {
      line = held_.substr(at_, end - at_);
      at_ = end + 1;
      return true;
    }
    held_.erase(0, std::exchange(at_, 0));
    if (is_done_ || held_.size() > kLineMax) {
      line = std::exchange(held_, {});
      return !line.empty();
    }
    char buffer[16 << 10];
    const std::size_t got = source_.Read(buffer);
    if (got == 0) is_done_ = true;
    held_.append(buffer, got);
  }
}

}  // namespace mooring::testing::android

#include <memory>

#include <fmt/format.h>
#include <openssl/evp.h>

#include "tests/phones/android/flags.h"
#include "tests/phones/android/programs.h"
#include "tests/phones/common/digest.h"

namespace mooring::testing::android {
namespace {

using Context = std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)>;

std::string FinishHex(const Context& context) {
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  unsigned int length = 0;
  EVP_DigestFinal_ex(context.get(), reinterpret_cast<unsigned char*>(digest.data()), &length);
  digest.resize(length);
  return HexOf(digest);
}

}  // namespace

// md5sum, sha1sum and sha256sum. toybox escapes nothing in names, and a file that cannot be
// read leaves no line.
int RunHash(const ShellContext& context, const Arguments& arguments) {
  const std::string& self = arguments[0];
  const absl::StatusOr<Flags> flags = Flags::Parse(arguments, "b");
  if (!flags.ok()) {
    const absl::string_view message = flags.status().message();
    return context.Fail(self, {message.data(), message.size()});
  }
  const EVP_MD* kind = self == "md5sum" ? EVP_md5() : self == "sha1sum" ? EVP_sha1() : EVP_sha256();
  std::vector<std::string> names = flags->operands();
  if (names.empty()) names.emplace_back("-");
  const Context digest(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  std::vector<char> buffer(256 << 10);
  int status = 0;
  for (const std::string& name : names) {
    EVP_DigestInit_ex(digest.get(), kind, nullptr);
    if (name == "-") {
      for (std::size_t got = context.in.Read(buffer); got > 0; got = context.in.Read(buffer)) {
        EVP_DigestUpdate(digest.get(), buffer.data(), got);
      }
    } else {
      const OrErrno<std::unique_ptr<FileReader>> file =
          context.phone.files().Open(context.Absolute(name));
      const int error = file.error == EISDIR ? 0 : file.error;
      // As toybox: a read that fails, and a directory, is an end and no error.
      for (bool more = file.ok(); more;) {
        const OrErrno<std::size_t> got = file.value->Read(buffer);
        more = got.ok() && got.value > 0;
        if (more) EVP_DigestUpdate(digest.get(), buffer.data(), got.value);
      }
      if (error != 0) {
        status = context.Fail(self, name + ": " + ErrorText(error));
        continue;
      }
    }
    std::string line = FinishHex(digest);
    if (context.phone.IsHostile("forged-rows")) {
      line = "zz" + line.substr(2) + "  ../" + name + "\n" + line;
    }
    if (!flags->Has("b")) line += "  " + name;
    if (!context.out.Write(line + "\n")) return 1;
  }
  return status;
}

}  // namespace mooring::testing::android

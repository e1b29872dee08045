#include "tests/phones/android/programs.h"

#include <map>

namespace mooring::testing::android {
namespace {

using Program = int (*)(const ShellContext&, const Arguments&);

const std::map<std::string_view, Program>& Programs() {
  static const std::map<std::string_view, Program> programs = {
      {"[", RunTest},
      {"am", RunAm},
      {"appops", RunAppOps},
      {"cat", RunCat},
      {"chmod", RunChmod},
      {"content", RunContent},
      {"date", RunDate},
      {"df", RunDf},
      {"dumpsys", RunDumpsys},
      {"echo", RunEcho},
      {"find", RunFind},
      {"getprop", RunGetprop},
      {"head", RunHead},
      {"id", RunId},
      {"ls", RunLs},
      {"md5sum", RunHash},
      {"mkdir", RunMkdir},
      {"mv", RunMv},
      {"pm", RunPm},
      {"printf", RunPrintf},
      {"readlink", RunReadlink},
      {"realpath", RunReadlink},
      {"rm", RunRm},
      {"rmdir", RunRm},
      {"settings", RunSettings},
      {"sha1sum", RunHash},
      {"sha256sum", RunHash},
      {"sleep", RunSleep},
      {"stat", RunStat},
      {"tail", RunTail},
      {"tar", RunTar},
      {"test", RunTest},
      {"touch", RunTouch},
      {"wc", RunWc},
      {"xargs", RunXargs},
  };
  return programs;
}

Arguments From(const Arguments& arguments, std::size_t first) {
  return {arguments.begin() + static_cast<std::ptrdiff_t>(first), arguments.end()};
}

int ChangeDirectory(const ShellContext& context, const Arguments& arguments) {
  const std::string path = context.Absolute(arguments.size() > 1 ? arguments[1] : "/");
  const OrErrno<std::string> real = context.phone.files().RealPath(path);
  const OrErrno<FileInfo> info = context.phone.files().Stat(path, true);
  const int error = !real.ok()                  ? real.error
                    : !info.ok()                ? info.error
                    : info.value.is_directory() ? 0
                                                : ENOTDIR;
  if (error != 0) {
    return context.Fail("/system/bin/sh", "cd: " + path + ": " + ErrorText(error)) + 1;
  }
  context.state.directory = real.value;
  return 0;
}

// What the shell itself does.
bool RunBuiltin(const ShellContext& context, const Arguments& arguments, int& status) {
  const std::string& name = arguments[0];
  if (name == "cd") {
    status = ChangeDirectory(context, arguments);
  } else if (name == ":" || name == "true") {
    status = 0;
  } else if (name == "false") {
    status = 1;
  } else if (name == "pwd") {
    status = context.out.Write(context.state.directory + "\n") ? 0 : 1;
  } else if (name == "exit") {
    status = arguments.size() > 1 ? std::atoi(arguments[1].c_str()) & 0xFF : context.state.status;
    context.state.has_exited = true;
  } else if (name == "export" || name == "set" || name == "umask" || name == "unset") {
    for (std::size_t i = 1; i < arguments.size() && name == "export"; ++i) {
      const std::size_t equals = arguments[i].find('=');
      if (equals == std::string::npos) continue;
      context.state.variables[arguments[i].substr(0, equals)] = arguments[i].substr(equals + 1);
    }
    status = 0;
  } else if (name == "command" && arguments.size() > 2 && arguments[1] == "-v") {
    const bool is_there = HasProgram(arguments[2]);
    if (is_there) (void)context.out.Write("/system/bin/" + arguments[2] + "\n");
    status = is_there ? 0 : 1;
  } else if (name == "sh" && arguments.size() > 2 && arguments[1] == "-c") {
    ShellState state = context.state;
    const ShellContext inner{context.phone, state, context.in, context.out, context.err};
    status = RunShell(inner, arguments[2]);
  } else {
    return false;
  }
  return true;
}

int RunUname(const ShellContext& context, const Arguments& arguments) {
  const bool is_machine = arguments.size() > 1 && arguments[1] == "-m";
  return context.out.Write(is_machine ? "aarch64\n" : "Linux\n") ? 0 : 1;
}

// "cmd SERVICE ...": the same programs under another name.
int RunCmd(const ShellContext& context, const Arguments& arguments) {
  if (arguments.size() < 2)
    return context.Fail("cmd", "No service specified; use -l to list all") + 19;
  Arguments rest = From(arguments, 1);
  static const std::map<std::string_view, std::string_view> kServices = {{"package", "pm"},
                                                                         {"content", "content"},
                                                                         {"settings", "settings"},
                                                                         {"appops", "appops"},
                                                                         {"activity", "am"}};
  const auto found = kServices.find(rest[0]);
  if (found == kServices.end()) {
    (void)context.err.Write("cmd: Can't find service: " + rest[0] + "\n");
    return 20;
  }
  rest[0] = std::string(found->second);
  return RunProgram(context, rest);
}

}  // namespace

bool HasProgram(std::string_view name) {
  return Programs().contains(name) || name == "sh" || name == "cmd" || name == "getenforce" ||
         name == "toybox" || name == "uname" || name == "which";
}

int RunProgram(const ShellContext& context, const Arguments& arguments) {
  std::string name = arguments[0];
  constexpr std::string_view kBin = "/system/bin/";
  if (name.starts_with(kBin)) name = name.substr(kBin.size());
  int status = 0;
  if (RunBuiltin(context, arguments, status)) return status;
  if (name == "cmd") return RunCmd(context, arguments);
  if (name == "uname") return RunUname(context, arguments);
  if (name == "getenforce") return context.out.Write("Enforcing\n") ? 0 : 1;
  if (name == "toybox" && arguments.size() > 1) return RunProgram(context, From(arguments, 1));
  if (name == "which") {
    if (arguments.size() < 2 || !HasProgram(arguments[1])) return 1;
    return context.out.Write("/system/bin/" + arguments[1] + "\n") ? 0 : 1;
  }
  const auto found = Programs().find(name);
  if (found != Programs().end()) {
    Arguments own = arguments;
    own[0] = name;
    return found->second(context, own);
  }
  const bool is_new = context.phone.options().android >= 10;
  (void)context.Fail("/system/bin/sh",
                     name + (is_new ? ": inaccessible or not found" : ": not found"));
  return 127;
}

}  // namespace mooring::testing::android

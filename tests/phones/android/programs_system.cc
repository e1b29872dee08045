#include <algorithm>

#include <fmt/format.h>

#include "tests/phones/android/programs.h"

namespace mooring::testing::android {
namespace {

std::string Battery(AndroidPhone& phone) {
  return fmt::format(
      "Current Battery Service state:\n  AC powered: false\n  USB powered: true\n"
      "  Wireless powered: false\n  Max charging current: 500000\n"
      "  Max charging voltage: 5000000\n  Charge counter: 2448000\n  status: 2\n  health: 2\n"
      "  present: true\n  level: {}\n  scale: 100\n  voltage: 4123\n  temperature: 274\n"
      "  technology: Li-ion\n",
      phone.battery());
}

std::string Users(AndroidPhone& phone) {
  const char* state = phone.is_locked_since_boot() ? "RUNNING_LOCKED" : "RUNNING_UNLOCKED";
  std::string text = fmt::format(
      "Current user: 0\nUsers:\n  UserInfo{{0:Owner:c13}} serialNo=0 isPrimary=true\n"
      "    Type: android.os.usertype.full.SYSTEM\n    State: {}\n",
      state);
  if (phone.options().content.work_profile) {
    text += fmt::format(
        "  UserInfo{{10:Work profile:1030}} serialNo=10 isPrimary=false parentId=0\n"
        "    Type: android.os.usertype.profile.MANAGED\n    State: {}\n",
        state);
  }
  return text;
}

std::string Trust(AndroidPhone& phone) {
  return fmt::format(
      "Trust manager state:\n User \"Owner\" (id=0, flags=0x4c13) (current): trustState=UNTRUSTED, "
      "trustManaged=0, deviceLocked={}, isActiveUnlockRunning=0, strongAuthRequired=0x0\n",
      phone.is_locked() ? 1 : 0);
}

std::string Window(AndroidPhone& phone) {
  const bool locked = phone.is_locked();
  return fmt::format(
      "WINDOW MANAGER POLICY STATE (dumpsys window policy)\n"
      "    mAwake=true\n    mShowingLockscreen={0} mShowingDream=false\n"
      "    KeyguardServiceDelegate\n      showing={0}\n      showingAndNotOccluded={0}\n"
      "      inputRestricted={0}\n      mIsShowing={0}\n      isStatusBarKeyguard={0}\n"
      "      deviceHasKeyguard=true\n      secure=true\n",
      locked);
}

std::string DevicePolicy(AndroidPhone& phone) {
  std::string text = "Current Device Policy Manager state:\n";
  if (phone.options().content.work_profile) {
    text +=
        "  Profile Owner (User 10): \n    admin=ComponentInfo{com.example.mdm/.Admin}\n"
        "    name=Example MDM\n    package=com.example.mdm\n";
  }
  return text;
}

}  // namespace

int RunGetprop(const ShellContext& context, const Arguments& arguments) {
  const std::map<std::string, std::string> properties = context.phone.Properties();
  if (arguments.size() > 1) {
    const auto found = properties.find(arguments[1]);
    const std::string otherwise = arguments.size() > 2 ? arguments[2] : "";
    return context.out.Write((found == properties.end() ? otherwise : found->second) + "\n") ? 0
                                                                                             : 1;
  }
  std::string text;
  for (const auto& [name, value] : properties) text += fmt::format("[{}]: [{}]\n", name, value);
  return context.out.Write(text) ? 0 : 1;
}

int RunId(const ShellContext& context, const Arguments& arguments) {
  if (arguments.size() > 1 && arguments[1] == "-u") return context.out.Write("2000\n") ? 0 : 1;
  return context.out.Write(
             "uid=2000(shell) gid=2000(shell) groups=2000(shell),1004(input),1007(log),"
             "1011(adb),1015(sdcard_rw),1028(sdcard_r),1078(ext_data_rw),1079(ext_obb_rw),"
             "3001(net_bt_admin),3002(net_bt),3003(inet),3006(net_bw_stats),3009(readproc),"
             "3011(uhid) context=u:r:shell:s0\n")
             ? 0
             : 1;
}

int RunDate(const ShellContext& context, const Arguments& arguments) {
  const std::int64_t now = context.phone.files().NowNs();
  std::string format = "%a %b %e %H:%M:%S UTC %Y";
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    if (arguments[i].starts_with('+')) format = arguments[i].substr(1);
  }
  return context.out.Write(TimeText(now, format) + "\n") ? 0 : 1;
}

int RunDumpsys(const ShellContext& context, const Arguments& arguments) {
  const std::string service = arguments.size() > 1 ? arguments[1] : "";
  AndroidPhone& phone = context.phone;
  std::string text;
  if (service == "battery") {
    text = Battery(phone);
  } else if (service == "user") {
    text = Users(phone);
  } else if (service == "trust") {
    text = Trust(phone);
  } else if (service == "window") {
    text = Window(phone);
  } else if (service == "device_policy") {
    text = DevicePolicy(phone);
  } else {
    (void)context.err.Write("Can't find service: " + service + "\n");
    return phone.options().android >= 11 ? 1 : 0;
  }
  return context.out.Write(text) ? 0 : 1;
}

int RunSettings(const ShellContext& context, const Arguments& arguments) {
  Arguments words;
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    if (arguments[i] == "--user") {
      ++i;
    } else {
      words.push_back(arguments[i]);
    }
  }
  const bool is_known =
      words.size() >= 2 && (words[1] == "global" || words[1] == "system" || words[1] == "secure");
  if (!is_known)
    return context.Fail("cmd", "Invalid namespace or no command; see settings help") + 19;
  if (words[0] == "list") {
    std::string text;
    for (const auto& [key, value] : context.phone.SettingsOf(words[1])) {
      text += fmt::format("{}={}\n", key, value);
    }
    return context.out.Write(text) ? 0 : 1;
  }
  if (words[0] == "get" && words.size() == 3) {
    return context.out.Write(context.phone.Setting(words[1], words[2]).value_or("null") + "\n") ? 0
                                                                                                : 1;
  }
  if (words[0] == "put" && words.size() >= 4) {
    context.phone.PutSetting(words[1], words[2], words[3]);
    return 0;
  }
  if (words[0] == "delete" && words.size() == 3) {
    const bool is_there = context.phone.Setting(words[1], words[2]).has_value();
    context.phone.DeleteSetting(words[1], words[2]);
    return context.out.Write(fmt::format("Deleted {} rows\n", is_there ? 1 : 0)) ? 0 : 1;
  }
  return context.Fail("cmd", "Bad arguments") + 254;
}

int RunAm(const ShellContext& context, const Arguments& arguments) {
  const std::string verb = arguments.size() > 1 ? arguments[1] : "";
  const auto says = [&](std::string_view text) { return context.out.Write(text) ? 0 : 1; };
  if (verb == "broadcast") {
    return says("Broadcasting: Intent { flg=0x400000 }\nBroadcast completed: result=0\n");
  }
  if (verb == "start") return says("Starting: Intent { act=android.intent.action.VIEW }\n");
  if (verb == "get-current-user") return says("0\n");
  if (verb == "force-stop") return 0;
  if (verb == "get-started-user-state") {
    return says(context.phone.is_locked_since_boot() ? "RUNNING_LOCKED\n" : "RUNNING_UNLOCKED\n");
  }
  (void)context.err.Write("Error: unknown command '" + verb + "'\n");
  return 255;
}

int RunAppOps(const ShellContext& context, const Arguments& arguments) {
  Arguments words;
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    if (arguments[i] == "--user") {
      ++i;
    } else if (arguments[i] != "--uid") {
      words.push_back(arguments[i]);
    }
  }
  if (words.size() == 4 && words[0] == "set") {
    context.phone.SetAppOp(words[1], words[2], words[3]);
    return 0;
  }
  if (words.size() == 3 && words[0] == "get") {
    const std::string mode = context.phone.AppOp(words[1], words[2]);
    return context.out.Write(mode == "default" ? "No operations.\nDefault mode: ignore\n"
                                               : fmt::format("{}: {}\n", words[2], mode))
               ? 0
               : 1;
  }
  return context.Fail("Error", "Unknown or incomplete command") + 254;
}

}  // namespace mooring::testing::android

#include "tests/phones/android/phone_content.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "storage/base/check.h"
#include "tests/phones/common/dice.h"

namespace mooring::testing::android {
namespace {

constexpr std::int64_t kFirstUseUnix = 1'700'000'000;
constexpr std::int64_t kSecond = 1'000'000'000;

std::string Shared(std::string_view path) {
  return fmt::format("{}/{}", kSharedStorage, path);
}

void MakeDirectory(PhoneFiles& files, const std::string& path) {
  FileInfo directory = files.NewDirectory(path);
  directory.modified_ns = kFirstUseUnix * kSecond;
  MOORING_CHECK(files.tree().MakeDirectories(path, directory) == 0);
}

void MakeFile(PhoneFiles& files, Dice& dice, const std::string& path, ContentKind kind,
              std::uint64_t size_bytes, bool has_marker = false) {
  MakeDirectory(files, std::string(ParentPath(path)));
  FileInfo file = files.NewFile(path);
  const std::uint64_t when = dice.Below(30'000'000) * kSecond;
  // Some apps write whole seconds, most do not.
  const std::uint64_t fraction = dice.Below(4) == 0 ? 0 : dice.Below(kSecond);
  file.modified_ns = kFirstUseUnix * kSecond + static_cast<std::int64_t>(when + fraction);
  file.content = {
      .seed = dice.Next(), .size_bytes = size_bytes, .kind = kind, .has_marker = has_marker};
  MOORING_CHECK(files.tree().Put(path, std::move(file)) == 0);
}

// Where every phone has something, and what breaks careless tools.
void MakeUsualPlaces(PhoneFiles& files) {
  for (const char* path :
       {"Alarms", "Android/data", "Android/media", "Android/obb", "Audiobooks", "DCIM/Camera",
        "Documents", "Download", "Movies", "Music", "Notifications", "Pictures/Screenshots",
        "Podcasts", "Recordings", "Ringtones"}) {
    MakeDirectory(files, Shared(path));
  }
}

void MakeAwkwardNames(PhoneFiles& files, Dice& dice) {
  std::string long_name;
  for (int i = 0; i < 84; ++i) long_name += "€";  // 252 bytes.
  for (const std::string& name : {std::string("Grüße aus Köln.txt"),
                                  std::string("日本語/メモ.txt"),
                                  std::string("😀 party 🎉.jpg"),
                                  std::string("it's \"quoted\" & <tagged>.txt"),
                                  std::string("e\u0301 combining.txt"),
                                  std::string(" leading and trailing "),
                                  std::string(".hidden"),
                                  std::string("percent %s %n %2F.txt"),
                                  std::string("back\\slash.txt"),
                                  std::string("new\nline.txt"),
                                  std::string("-rf"),
                                  std::string("-leading dash.txt"),
                                  std::string("$(echo no) `echo no` $HOME;.txt"),
                                  std::string("tab\there.txt"),
                                  std::string("star*[a]?.txt"),
                                  long_name + ".db",
                                  std::string(255, 'n'),
                                  std::string("a b/c d/e f.txt"),
                                  std::string("'"),
                                  std::string("empty file.txt")}) {
    const bool is_empty = name == "empty file.txt";
    MakeFile(files, dice, Shared("Documents/" + name), ContentKind::kText,
             is_empty ? 0 : 100 + dice.Below(4000));
  }
  MakeDirectory(files, Shared("Documents/empty directory"));
}

struct Planned {
  std::string path;
  ContentKind kind = ContentKind::kText;
  double weight = 1;
};

Planned PlanFile(std::size_t index, Dice& dice) {
  const double spread = std::exp2(static_cast<double>(dice.Below(400)) / 100.0);  // 1 to 16.
  const std::size_t number = index / 4;
  const auto day = 1 + number % 28;
  switch (index % 4) {
    case 0: {
      const bool is_movie = dice.Below(20) == 0;
      return {fmt::format("DCIM/{}/{}_202403{:02}_{:06}.{}", number < 2000 ? "Camera" : "Camera 2",
                          is_movie ? "VID" : "IMG", day, number, is_movie ? "mp4" : "jpg"),
              is_movie ? ContentKind::kMovie : ContentKind::kJpeg,
              spread * (is_movie ? 120.0 : 20.0)};
    }
    case 1:
      return {fmt::format("Android/media/com.example.chat/Chat/Media/Images/{:03}/IMG-{:06}.jpg",
                          number / 200, number),
              ContentKind::kJpeg, spread * 4.0};
    case 2:
      return {fmt::format("Download/{:02}/file-{:06}.{}", number % 40, number,
                          number % 3 == 0 ? "pdf" : "txt"),
              ContentKind::kText, dice.Below(64) == 0 ? 0.0 : spread};
    default:
      return {fmt::format("Documents/work/{:03}/note-{:06}.md", number / 100, number),
              ContentKind::kText, spread};
  }
}

void MakeBulk(PhoneFiles& files, Dice& dice, std::size_t count, std::uint64_t bytes) {
  std::vector<Planned> plan;
  plan.reserve(count);
  double weight = 0;
  for (std::size_t i = 0; i < count; ++i) {
    plan.push_back(PlanFile(i, dice));
    weight += plan.back().weight;
  }
  for (const Planned& planned : plan) {
    const double size = static_cast<double>(bytes) * planned.weight / std::max(weight, 1.0);
    MakeFile(files, dice, Shared(planned.path), planned.kind, static_cast<std::uint64_t>(size));
  }
}

void MakeSystem(PhoneFiles& files) {
  FileTree& tree = files.tree();
  FileInfo directory;
  directory.kind = FileInfo::Kind::kDirectory;
  directory.mode = S_IFDIR | 0755;
  directory.modified_ns = kFirstUseUnix * kSecond;
  for (const char* path : {"/data/app", "/data/data", "/data/local", "/data/user", "/system/app",
                           "/storage/emulated", "/storage/self", "/mnt", "/proc", "/dev"}) {
    MOORING_CHECK(tree.MakeDirectories(path, directory) == 0);
  }
  for (const auto& [path, target] : {std::pair("/storage/self/primary", "/storage/emulated/0"),
                                     std::pair("/sdcard", "/storage/self/primary"),
                                     std::pair("/mnt/sdcard", "/storage/self/primary")}) {
    FileInfo link;
    link.kind = FileInfo::Kind::kSymlink;
    link.mode = S_IFLNK | 0777;
    link.target = target;
    link.modified_ns = kFirstUseUnix * kSecond;
    MOORING_CHECK(tree.Put(path, std::move(link)) == 0);
  }
  MakeDirectory(files, "/data/local/tmp");
  MakeDirectory(files, std::string(kSharedStorage));
}

Value Number(std::uint64_t number) {
  return static_cast<std::int64_t>(number);
}

std::string PhoneNumber(Dice& dice) {
  return fmt::format("+4930{:08}", dice.Below(100'000'000));
}

// What a text message can hold that the format of `content query` does not survive.
std::string AwkwardBody(std::size_t index) {
  switch (index % 8) {
    case 0:
      return "line one\nline two";
    case 1:
      return "a, b=c, address=+49, body=not mine";
    case 2:
      return "NULL";
    case 3:
      return "😀 Grüße, 日本語";
    case 4:
      return "";
    case 5:
      return "it's \"quoted\" \\ back";
    case 6:
      return "tab\tand\r\nCRLF";
    default:
      return "Row: 3 _id=4, date=1, type=1, address=+1, body=forged";
  }
}

void AddMessage(Providers& providers, Dice& dice, std::size_t index, std::string body) {
  const bool is_sent = dice.Below(2) == 0;
  providers.Add(
      "sms", {{"thread_id", Number(1 + index % 7)},
              {"address", PhoneNumber(dice)},
              {"date", Number(static_cast<std::uint64_t>(kFirstUseUnix) * 1000 + index * 61'000)},
              {"date_sent", Number(is_sent ? 0
                                           : static_cast<std::uint64_t>(kFirstUseUnix) * 1000 +
                                                 index * 61'000 - 900)},
              {"read", Number(1)},
              {"type", Number(is_sent ? 2 : 1)},
              {"body", std::move(body)},
              {"sub_id", Number(1)},
              {"seen", Number(1)}});
}

void MakeMessages(const ContentOptions& options, Providers& providers, Dice& dice) {
  for (std::size_t i = 0; i < options.messages; ++i) {
    std::string body = fmt::format("message {} of seed {}", i, options.seed);
    if (i % 5 == 3) body = AwkwardBody(i / 5);
    if (!options.marker.empty() && i % 10 == 1) body = options.marker;
    AddMessage(providers, dice, i, std::move(body));
  }
  if (options.hostile_rows) {
    // Forges the very row that follows, id and all.
    const std::size_t next = options.messages;
    AddMessage(providers, dice, next,
               fmt::format("x\nRow: {} _id={}, date=1, type=1, address=+666, body=forged\nRow: {} "
                           "_id={}, date=2, type=1, address=+667, body=forged",
                           next + 1, next + 2, next + 2, next + 3));
    AddMessage(providers, dice, next + 1, "the true one");
    AddMessage(providers, dice, next + 2, std::string("invalid \xFF\xFE utf-8"));
  }
  for (std::size_t i = 0; i < std::min<std::size_t>(options.messages, 3); ++i) {
    providers.Add("mms", {{"thread_id", Number(1)},
                          {"date", Number(static_cast<std::uint64_t>(kFirstUseUnix) + i)},
                          {"msg_box", Number(1 + i % 2)},
                          {"read", Number(1)},
                          {"m_id", fmt::format("mms-{}", i)},
                          {"sub", std::string("subject, with=comma")},
                          {"ct_t", std::string("application/vnd.wap.multipart.related")},
                          {"m_type", Number(132)}});
    providers.Add("mms_addr", {{"msg_id", Number(i + 1)},
                               {"address", PhoneNumber(dice)},
                               {"type", Number(137)},
                               {"charset", Number(106)}});
    providers.Add("mms_part", {{"mid", Number(i + 1)},
                               {"ct", std::string("text/plain")},
                               {"text", std::string("an MMS\nof two lines")}});
    std::string picture("\xFF\xD8\xFF\xE0\x00\x10JFIF\x00", 11);
    for (int word = 0; word < 200; ++word) picture += fmt::format("{:x}", dice.Next());
    providers.Add("mms_part", {{"mid", Number(i + 1)},
                               {"ct", std::string("image/jpeg")},
                               {"name", std::string("a picture.jpg")},
                               {"_data", fmt::format("/data/user_de/0/mms/PART_{}", i)},
                               {"bytes", Blob{std::move(picture)}}});
  }
}

void MakeContacts(const ContentOptions& options, Providers& providers, Dice& dice) {
  static constexpr std::array<const char*, 8> kGiven = {"Ada",  "Björn",  "Chloë",   "D'Arcy",
                                                        "Élan", "Fātima", "Jo, Jr.", "花"};
  static constexpr std::array<const char*, 6> kFamily = {"Lovelace", "O'Neil", "Müller;Meyer",
                                                         "García",   "Smith",  "李"};
  for (std::size_t i = 0; i < options.contacts; ++i) {
    const bool is_synced = i % 4 == 3;
    providers.Add("raw_contacts",
                  {{"account_name", is_synced ? Value(std::string("ada@example.com")) : Value()},
                   {"account_type", is_synced ? Value(std::string("com.google")) : Value()},
                   {"contact_id", Number(i + 1)},
                   {"starred", Number(i % 9 == 0 ? 1 : 0)}});
    const std::string given = kGiven[dice.Below(kGiven.size())];
    const std::string family = kFamily[dice.Below(kFamily.size())];
    const auto add = [&](const char* type, const std::string& one, const std::string& two,
                         const std::string& three) {
      providers.Add("data", {{"raw_contact_id", Number(i + 1)},
                             {"mimetype", std::string(type)},
                             {"data1", one},
                             {"data2", two},
                             {"data3", three}});
    };
    add("vnd.android.cursor.item/name", given + " " + family, given, family);
    add("vnd.android.cursor.item/phone_v2", PhoneNumber(dice), "2", "");
    if (i % 2 == 0)
      add("vnd.android.cursor.item/email_v2", fmt::format("p{}@example.com", i), "1", "");
    if (i % 3 == 0) add("vnd.android.cursor.item/note", "a note\nof two lines, a=b", "", "");
    if (!options.marker.empty() && i == 1)
      add("vnd.android.cursor.item/note", options.marker, "", "");
  }
}

}  // namespace

void MakeFiles(const ContentOptions& options, PhoneFiles& files) {
  Dice dice(Scramble(options.seed));
  MakeSystem(files);
  MakeUsualPlaces(files);
  if (!options.sd_card.empty()) MakeDirectory(files, "/storage/" + options.sd_card);
  if (options.work_profile) {
    MakeFile(files, dice, "/storage/emulated/10/DCIM/Camera/company.jpg", ContentKind::kJpeg, 5000);
  }
  if (options.empty) return;
  MakeAwkwardNames(files, dice);
  MakeFile(files, dice, Shared("DCIM/.thumbnails/1.jpg"), ContentKind::kJpeg, 3'000);
  MakeFile(files, dice, Shared("Android/media/com.example.chat/Chat/Databases/msgstore.db.crypt15"),
           ContentKind::kJpeg, 70'000);
  MakeFile(files, dice, Shared("Android/data/com.example.maps/files/tiles.db"),
           ContentKind::kDatabase, 20'000);
  if (!options.sd_card.empty()) {
    for (int i = 0; i < 12; ++i) {
      MakeFile(files, dice, fmt::format("/storage/{}/Music/track {:02}.mp3", options.sd_card, i),
               ContentKind::kMovie, 9'000 + dice.Below(9'000));
    }
  }
  if (!options.marker.empty()) {
    MakeFile(files, dice, Shared(fmt::format("Documents/{}.txt", options.marker)),
             ContentKind::kText, 20'000, true);
    MakeFile(files, dice, Shared(fmt::format("DCIM/Camera/{}.jpg", options.marker)),
             ContentKind::kJpeg, 90'000, true);
  }
  if (options.big_file > 0) {
    MakeFile(files, dice, Shared("Movies/big movie.mp4"), ContentKind::kMovie, options.big_file);
  }
  constexpr std::size_t kMadeAbove = 24;
  MakeBulk(files, dice, options.files > kMadeAbove ? options.files - kMadeAbove : 1, options.bytes);
}

void MakeRecords(const ContentOptions& options, Providers& providers) {
  Dice dice(Scramble(options.seed + 1));
  providers.Execute("BEGIN");
  providers.Add("calendars", {{"account_name", std::string("Phone")},
                              {"account_type", std::string("LOCAL")},
                              {"name", std::string("My calendar")},
                              {"calendar_displayName", std::string("My calendar")},
                              {"calendar_access_level", Number(700)},
                              {"ownerAccount", std::string("Phone")}});
  if (!options.empty) {
    MakeMessages(options, providers, dice);
    MakeContacts(options, providers, dice);
    for (std::size_t i = 0; i < options.calls; ++i) {
      providers.Add(
          "calls",
          {{"number", PhoneNumber(dice)},
           {"date", Number(static_cast<std::uint64_t>(kFirstUseUnix) * 1000 + i * 3'600'000)},
           {"duration", Number(dice.Below(600))},
           {"type", Number(1 + dice.Below(3))},
           {"name", i % 3 == 0 ? Value(std::string("Ada, Countess\nof=Lovelace")) : Value()},
           {"new", Number(0)}});
    }
    for (std::size_t i = 0; i < options.events; ++i) {
      const std::uint64_t start = static_cast<std::uint64_t>(kFirstUseUnix) * 1000 + i * 86'400'000;
      providers.Add("events",
                    {{"calendar_id", Number(1)},
                     {"title", fmt::format("Event {}, at=noon", i)},
                     {"eventLocation", i % 2 == 0 ? Value(std::string("Köln")) : Value()},
                     {"description", std::string("line\nRow: 2 _id=9, title=forged")},
                     {"dtstart", Number(start)},
                     {"dtend", Number(start + 3'600'000)},
                     {"eventTimezone", std::string("Europe/Berlin")},
                     {"rrule", i % 5 == 0 ? Value(std::string("FREQ=WEEKLY")) : Value()}});
    }
  }
  providers.Execute("COMMIT");
}

void MakePackages(const ContentOptions& options, PackageTable& packages) {
  packages.Preload(900, 33, 4'000, true);
  packages.Preload(901, 33, 4'000, true);
  if (options.empty) return;
  for (std::uint32_t app = 0; app < options.apps; ++app) {
    packages.Preload(app, 7 + app, options.apk_bytes, false);
  }
}

Settings MakeSettings(const ContentOptions& options) {
  Settings settings = {{"global",
                        {{"adb_enabled", "1"},
                         {"airplane_mode_on", "0"},
                         {"development_settings_enabled", "1"},
                         {"device_name", fmt::format("Phone {}", options.seed)},
                         {"stay_on_while_plugged_in", "0"},
                         {"window_animation_scale", "1.0"}}},
                       {"system",
                        {{"accelerometer_rotation", "0"},
                         {"font_scale", "1.0"},
                         {"haptic_feedback_enabled", "1"},
                         {"screen_brightness", "102"},
                         {"screen_off_timeout", "30000"},
                         {"time_12_24", "null"}}},
                       {"secure",
                        {{"android_id", fmt::format("{:016x}", Scramble(options.seed ^ 0xA1D))},
                         {"default_input_method", "com.example.keyboard/.Service"},
                         {"enabled_accessibility_services", ""},
                         {"sms_default_application", "com.example.messages"}}}};
  if (options.empty) return settings;
  settings["system"]["font_scale"] = "1.15";
  settings["system"]["screen_off_timeout"] = "120000";
  settings["system"]["ringtone"] = "content://media/internal/audio/media/77?title=It's, a=Tune";
  settings["global"]["window_animation_scale"] = "0.5";
  return settings;
}

MutationResult MutateContent(PhoneFiles& files, Providers& providers, std::uint64_t round,
                             const MutationOptions& options) {
  MutationResult result;
  FileTree& tree = files.tree();
  std::vector<std::string> candidates;
  std::int64_t newest = kFirstUseUnix * kSecond;
  tree.ForEach(kSharedStorage, [&](const std::string& path, const FileInfo& info) {
    if (info.kind != FileInfo::Kind::kFile) return;
    newest = std::max(newest, info.modified_ns);
    if (path.find("/Android/data/") == std::string::npos) candidates.push_back(path);
  });
  Dice dice(Scramble(round) ^ candidates.size());
  const auto take = [&]() {
    const std::size_t at = dice.Below(candidates.size());
    std::string path = std::move(candidates[at]);
    candidates[at] = std::move(candidates.back());
    candidates.pop_back();
    return path;
  };
  const auto edit = [&](FileInfo& info, bool may_grow) {
    ContentRef& content = info.content;
    if (content.kind == ContentKind::kKept || content.size_bytes == 0) {
      const std::uint64_t more = may_grow ? 512 : 0;
      content = {.seed = dice.Next(), .size_bytes = content.size_bytes + more};
    } else {
      ++content.edits;
      if (may_grow && dice.Below(2) == 0) content.size_bytes += 1 + dice.Below(8192);
    }
  };
  newest += 60 * kSecond;
  for (; result.changed < options.changes && !candidates.empty(); ++result.changed) {
    tree.Change(take(), [&](FileInfo& info) {
      edit(info, true);
      info.modified_ns = newest;
    });
  }
  while (result.stealthy < options.stealth && !candidates.empty()) {
    tree.Change(take(), [&](FileInfo& info) {
      if (info.content.size_bytes == 0) return;
      edit(info, false);
      ++result.stealthy;
    });
  }
  for (; result.deleted < options.deletes && !candidates.empty(); ++result.deleted) {
    tree.Remove(take());
  }
  for (; result.added < options.adds; ++result.added) {
    const bool is_photo = result.added % 2 == 0;
    const std::string path =
        is_photo ? Shared(fmt::format("DCIM/Camera/IMG_new_{:03}_{:03}.jpg", round, result.added))
                 : Shared(fmt::format("Download/new/round {}-{}.txt", round, result.added));
    MakeFile(files, dice, path, is_photo ? ContentKind::kJpeg : ContentKind::kText,
             500 + dice.Below(is_photo ? 90'000 : 9'000));
    tree.Change(path, [&](FileInfo& info) { info.modified_ns = newest; });
  }
  const auto messages = static_cast<std::size_t>(providers.Count("sms"));
  for (std::size_t i = 0; i < options.messages; ++i) {
    AddMessage(providers, dice, messages + i, fmt::format("new in round {}, number {}", round, i));
  }
  return result;
}

}  // namespace mooring::testing::android

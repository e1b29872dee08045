#include "agent/android/storage_rules.h"

#include <algorithm>
#include <array>

namespace mooring::agent {
namespace {

enum class Match { kPath, kComponent, kComponentPrefix };

struct SkipRule {
  Match match;
  std::string_view text;
};

// Case as the phone writes it: shared storage does not distinguish it, and apps
// write these names one way.
constexpr std::array kSkipped = {
    // Closed to adb since Android 11, and not restorable where it is not.
    SkipRule{Match::kPath, "Android/data"},
    SkipRule{Match::kPath, "Android/obb"},
    SkipRule{Match::kPath, "LOST.DIR"},
    SkipRule{Match::kComponent, ".thumbnails"},
    SkipRule{Match::kComponent, ".Trash"},
    SkipRule{Match::kComponent, "cache"},
    SkipRule{Match::kComponent, ".cache"},
    // Files that their owner deleted; Android removes them after 30 days.
    SkipRule{Match::kComponentPrefix, ".trashed-"},
    // Files that are still being written by their app.
    SkipRule{Match::kComponentPrefix, ".pending-"},
};

struct CategoryRule {
  std::string_view path;
  v1::Category category;
};

constexpr std::array kCategories = {
    CategoryRule{"DCIM", v1::CATEGORY_PHOTOS},
    CategoryRule{"Pictures", v1::CATEGORY_PHOTOS},
    CategoryRule{"Movies", v1::CATEGORY_PHOTOS},
    // Media and encrypted message stores of messengers.
    CategoryRule{"Android/media/com.whatsapp", v1::CATEGORY_MESSAGING_APPS},
    CategoryRule{"Android/media/com.whatsapp.w4b", v1::CATEGORY_MESSAGING_APPS},
    CategoryRule{"Android/media/org.telegram.messenger", v1::CATEGORY_MESSAGING_APPS},
    CategoryRule{"Android/media/org.thoughtcrime.securesms", v1::CATEGORY_MESSAGING_APPS},
    CategoryRule{"WhatsApp", v1::CATEGORY_MESSAGING_APPS},
    CategoryRule{"Telegram", v1::CATEGORY_MESSAGING_APPS},
    CategoryRule{"Signal", v1::CATEGORY_MESSAGING_APPS},
    CategoryRule{"Android/media", v1::CATEGORY_APP_DATA},
};

bool IsAtOrBelow(std::string_view path, std::string_view root) {
  return path.substr(0, root.size()) == root &&
         (path.size() == root.size() || path[root.size()] == '/');
}

bool HasComponent(std::string_view path, const SkipRule& rule) {
  while (!path.empty()) {
    const std::string_view name = path.substr(0, path.find('/'));
    if (name == rule.text ||
        (rule.match == Match::kComponentPrefix && name.substr(0, rule.text.size()) == rule.text)) {
      return true;
    }
    path.remove_prefix(std::min(path.size(), name.size() + 1));
  }
  return false;
}

}  // namespace

bool IsSkippedPath(std::string_view path) {
  return std::any_of(kSkipped.begin(), kSkipped.end(), [path](const SkipRule& rule) {
    return rule.match == Match::kPath ? IsAtOrBelow(path, rule.text) : HasComponent(path, rule);
  });
}

v1::Category StorageCategory(std::string_view path) {
  const auto* const rule =
      std::find_if(kCategories.begin(), kCategories.end(),
                   [path](const CategoryRule& one) { return IsAtOrBelow(path, one.path); });
  return rule == kCategories.end() ? v1::CATEGORY_DOCUMENTS : rule->category;
}

}  // namespace mooring::agent

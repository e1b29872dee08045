#include "agent/android/settings_rules.h"

#include <algorithm>
#include <array>
#include <set>

namespace mooring::agent {
namespace {

constexpr std::size_t kValueBytesMax = 64;

struct SettingRule {
  std::string_view space;
  std::string_view key;
};

// Tastes and habits alone: nothing that names accounts, networks or devices, and
// nothing that weakens the phone. Values are numbers or single words.
constexpr std::array kAllowed = {
    SettingRule{"system", "screen_brightness"},
    SettingRule{"system", "screen_brightness_mode"},
    SettingRule{"system", "screen_off_timeout"},
    SettingRule{"system", "font_scale"},
    SettingRule{"system", "accelerometer_rotation"},
    SettingRule{"system", "haptic_feedback_enabled"},
    SettingRule{"system", "sound_effects_enabled"},
    SettingRule{"system", "lockscreen_sounds_enabled"},
    SettingRule{"system", "dtmf_tone"},
    SettingRule{"system", "vibrate_when_ringing"},
    SettingRule{"system", "time_12_24"},
    SettingRule{"system", "date_format"},
    SettingRule{"system", "show_battery_percent"},
    SettingRule{"system", "pointer_speed"},
    SettingRule{"secure", "ui_night_mode"},
    SettingRule{"secure", "accessibility_display_inversion_enabled"},
    SettingRule{"secure", "accessibility_display_magnification_enabled"},
    SettingRule{"secure", "high_text_contrast_enabled"},
    SettingRule{"secure", "long_press_timeout"},
    SettingRule{"secure", "navigation_mode"},
    SettingRule{"secure", "show_ime_with_hard_keyboard"},
    SettingRule{"secure", "night_display_auto_mode"},
    SettingRule{"global", "auto_time"},
    SettingRule{"global", "auto_time_zone"},
    SettingRule{"global", "animator_duration_scale"},
    SettingRule{"global", "transition_animation_scale"},
    SettingRule{"global", "window_animation_scale"},
    SettingRule{"global", "low_power_trigger_level"},
};

bool IsPlainValue(std::string_view value) {
  return !value.empty() && value.size() <= kValueBytesMax && value != "null" &&
         std::all_of(value.begin(), value.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  c == '.' || c == '-' || c == '_' || c == '/';
         });
}

}  // namespace

bool IsAllowedSetting(std::string_view space, std::string_view key, std::string_view value) {
  return IsPlainValue(value) &&
         std::any_of(kAllowed.begin(), kAllowed.end(), [&](const SettingRule& rule) {
           return rule.space == space && rule.key == key;
         });
}

std::map<std::string, std::string> ParseSettings(std::string_view space, std::string_view output) {
  std::map<std::string, std::string> settings;
  std::set<std::string, std::less<>> twice;
  while (!output.empty()) {
    const std::string_view line = output.substr(0, output.find('\n'));
    output.remove_prefix(std::min(output.size(), line.size() + 1));
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view key = line.substr(0, equals);
    const std::string_view value = line.substr(equals + 1);
    if (!IsAllowedSetting(space, key, value)) continue;
    if (!settings.emplace(key, value).second) twice.emplace(key);
  }
  for (const std::string& key : twice) settings.erase(key);
  return settings;
}

}  // namespace mooring::agent

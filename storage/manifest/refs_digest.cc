#include <algorithm>
#include <map>

#include "storage/manifest/manifest.h"

namespace mooring::storage {
namespace {

constexpr std::string_view kLabel = "mooring/refs/1";

}  // namespace

Bytes RefsDigest(const std::vector<std::pair<DomainId, std::vector<ChunkId>>>& refs) {
  std::map<DomainId, std::vector<ChunkId>> by_domain;
  for (const auto& [domain, ids] : refs) {
    std::vector<ChunkId>& all = by_domain[domain];
    all.insert(all.end(), ids.begin(), ids.end());
  }
  std::erase_if(by_domain, [](const auto& item) { return item.second.empty(); });
  Sha256Stream hash;
  hash.Update(AsBytes(kLabel));
  for (auto& [domain, ids] : by_domain) {
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    Bytes count;
    AppendLe64(count, ids.size());
    hash.Update(domain.view());
    hash.Update(count);
    for (const ChunkId& id : ids) hash.Update(id.view());
  }
  const Sha256Digest digest = hash.Finish();
  return {digest.begin(), digest.end()};
}

}  // namespace mooring::storage

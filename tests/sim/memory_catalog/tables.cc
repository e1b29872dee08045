#include "tests/sim/memory_catalog/tables.h"

namespace mooring::testing {

std::vector<AnyTable*> Tables::all() {
  return {
      &organization,
      &repository,
      &account,
      &api_token,
      &person,
      &person_handle,
      &invitation,
      &invitation_secret,
      &agent,
      &agent_key,
      &device,
      &device_serial,
      &admission,
      &policy,
      &request,
      &access_grant,
      &grant_request,
      &grant_code,
      &restore,
      &restore_request,
      &key_slot,
      &session,
      &session_open,
      &session_idempotency,
      &session_snapshot,
      &pack,
      &pack_id,
      &domain,
      &domain_id,
      &domain_person,
      &chunk,
      &chunk_id,
      &chunk_owner,
      &snapshot,
      &snapshot_session,
      &snapshot_sequence,
      &audit,
      &snapshot_commit,
      &collection_state,
      &session_touch,
      &job_lease,
      &hold,
      &snapshot_pin,
      &pause_memory,
      &prune_state,
      &finding,
      &finding_open,
      &drill,
      &care_state,
  };
}

std::vector<Identity*> Tables::identities() {
  return {&pack_no, &domain_no, &chunk_no, &commit_no, &touch_no, &audit_seq, &finding_no};
}

}  // namespace mooring::testing

#include "server/services/records.h"

#include "server/compliance/compliance.h"
#include "server/services/proto_time.h"

namespace mooring::server {
namespace {

v1::DeviceState StateOfDevice(const storage::DeviceView& view, absl::Duration rpo, absl::Time now) {
  switch (StateOf(view.device.person.has_value(), view.last_capture_at, rpo, now)) {
    case v1::COMPLIANCE_STATE_COMPLIANT:
      return v1::DEVICE_STATE_COMPLIANT;
    case v1::COMPLIANCE_STATE_OVERDUE:
      return v1::DEVICE_STATE_OVERDUE;
    case v1::COMPLIANCE_STATE_NEVER_BACKED_UP:
      return v1::DEVICE_STATE_NEVER_BACKED_UP;
    default:
      return v1::DEVICE_STATE_UNASSIGNED;
  }
}

}  // namespace

v1::InvitationRecord ToMessage(const storage::InvitationRecord& record) {
  v1::InvitationRecord message;
  message.set_id(record.id.bytes());
  message.set_uses_max(record.uses_max);
  message.set_uses(record.uses);
  *message.mutable_expires_at() = ToTimestamp(record.expires_at);
  *message.mutable_created_at() = ToTimestamp(record.created_at);
  message.set_note(record.note);
  message.set_revoked(record.revoked_at.has_value());
  return message;
}

v1::Agent ToMessage(const storage::AgentView& view, const AgentHub& hub) {
  const storage::AgentRecord& agent = view.agent;
  v1::Agent message;
  message.set_id(agent.id.bytes());
  message.set_hostname(agent.hostname);
  message.set_version(agent.version);
  message.set_os(agent.os);
  message.set_protocol_version(agent.protocol_version);
  *message.mutable_enrolled_at() = ToTimestamp(agent.enrolled_at);
  if (agent.last_seen_at) *message.mutable_last_seen_at() = ToTimestamp(*agent.last_seen_at);
  *message.mutable_certificate_expires_at() = ToTimestamp(agent.certificate_expires_at);
  message.set_revoked(agent.revoked_at.has_value());
  message.set_online(!agent.revoked_at && hub.IsOnline(agent.id));
  if (message.online()) {
    for (const std::string& serial : view.attached) message.add_attached(serial);
  }
  return message;
}

v1::Person ToMessage(const storage::PersonView& view) {
  v1::Person message;
  message.set_id(view.person.id.bytes());
  message.set_handle(view.person.handle);
  message.set_name(view.person.name);
  message.set_email(view.person.email);
  message.set_group(view.person.group);
  *message.mutable_created_at() = ToTimestamp(view.person.created_at);
  message.set_device_count(view.device_count);
  return message;
}

v1::Device ToMessage(const storage::DeviceView& view, absl::Duration rpo, const AgentHub& hub,
                     absl::Time now) {
  const storage::DeviceRecord& device = view.device;
  v1::Device message;
  message.set_id(device.id.bytes());
  message.set_platform(device.platform);
  message.set_serial(device.serial);
  message.set_name(device.name);
  message.set_model(device.model);
  message.set_os_version(device.os_version);
  message.set_phone_encrypts(device.phone_encrypts);
  *message.mutable_facts() = device.facts;
  if (device.person) message.set_person_id(device.person->bytes());
  message.set_person_handle(view.person_handle);
  message.set_group(view.group);
  message.set_state(StateOfDevice(view, rpo, now));
  message.set_lineage(device.lineage);
  *message.mutable_first_seen_at() = ToTimestamp(device.first_seen_at);
  *message.mutable_last_seen_at() = ToTimestamp(device.last_seen_at);
  if (view.last_snapshot_at) {
    *message.mutable_last_snapshot_at() = ToTimestamp(*view.last_snapshot_at);
  }
  message.set_snapshot_count(view.snapshot_count);
  if (device.attached_agent && hub.IsOnline(*device.attached_agent)) {
    message.set_attached_agent_id(device.attached_agent->bytes());
  }
  for (const AgentId& agent : view.admitted) message.add_admitted_agent_ids(agent.bytes());
  message.set_last_cause(device.last_cause);
  message.set_last_message(device.last_message);
  return message;
}

v1::Session ToMessage(const storage::SessionView& view) {
  const storage::SessionRecord& session = view.session;
  v1::Session message;
  message.set_id(session.id.bytes());
  message.set_device_id(session.device.bytes());
  message.set_serial(view.serial);
  message.set_agent_id(session.agent.bytes());
  message.set_agent_hostname(view.agent_hostname);
  *message.mutable_started_at() = ToTimestamp(session.started_at);
  if (session.ended_at) *message.mutable_ended_at() = ToTimestamp(*session.ended_at);
  message.set_state(session.state);
  message.set_cause(session.cause);
  message.set_message(session.message);
  if (session.progress) *message.mutable_progress() = *session.progress;
  if (session.receipt) message.set_snapshot_id(session.receipt->snapshot_id());
  message.set_incremental(session.base.has_value());
  message.set_read_bytes(session.read_bytes);
  message.set_new_bytes(session.new_bytes);
  return message;
}

v1::Snapshot ToMessage(const storage::SnapshotView& view) {
  const storage::SnapshotRecord& snapshot = view.snapshot;
  v1::Snapshot message;
  message.set_id(snapshot.id.bytes());
  message.set_device_id(snapshot.device.bytes());
  message.set_serial(view.serial);
  message.set_device_name(view.device_name);
  message.set_person_handle(view.person_handle);
  message.set_sequence(snapshot.sequence);
  *message.mutable_created_at() = ToTimestamp(snapshot.created_at);
  message.set_file_count(snapshot.file_count);
  message.set_logical_bytes(snapshot.logical_bytes);
  message.set_read_bytes(snapshot.read_bytes);
  message.set_new_bytes(snapshot.new_bytes);
  for (const v1::Capture& capture : snapshot.captures) *message.add_captures() = capture;
  if (snapshot.parent) message.set_parent_id(snapshot.parent->bytes());
  message.set_referenced_bytes(snapshot.referenced_bytes);
  message.set_chunk_count(snapshot.chunk_count);
  if (snapshot.verified_at) *message.mutable_verified_at() = ToTimestamp(*snapshot.verified_at);
  message.set_damaged_chunks(snapshot.damaged_chunks);
  *message.mutable_device() = snapshot.device_facts;
  message.set_root_hash(ToString(snapshot.root_hash));
  return message;
}

v1::Request ToMessage(const storage::RequestRecord& record) {
  v1::Request message;
  message.set_id(record.id.bytes());
  message.set_kind(record.kind);
  message.set_state(record.state);
  message.set_requested_by(record.requested_by);
  *message.mutable_requested_at() = ToTimestamp(record.requested_at);
  message.set_reason(record.reason);
  message.set_decided_by(record.decided_by);
  if (record.decided_at) *message.mutable_decided_at() = ToTimestamp(*record.decided_at);
  *message.mutable_expires_at() = ToTimestamp(record.expires_at);
  message.set_snapshot_id(record.snapshot.bytes());
  message.set_device_id(record.device.bytes());
  message.set_target_serial(record.target_serial);
  message.set_summary(record.summary);
  if (record.hold) message.set_hold_id(record.hold->bytes());
  if (record.policy) message.set_policy_group(record.policy->policy().group());
  return message;
}

v1::Restore ToMessage(const storage::RestoreRecord& record) {
  v1::Restore message;
  message.set_id(record.id.bytes());
  message.set_snapshot_id(record.snapshot.bytes());
  message.set_request_id(record.request.bytes());
  message.set_state(record.state);
  message.set_target_serial(record.target_serial);
  if (record.progress) *message.mutable_progress() = *record.progress;
  message.set_cause(record.cause);
  message.set_message(record.message);
  *message.mutable_created_at() = ToTimestamp(record.created_at);
  if (record.finished_at) *message.mutable_finished_at() = ToTimestamp(*record.finished_at);
  message.set_file_count(record.file_count);
  message.set_bytes(record.bytes);
  return message;
}

}  // namespace mooring::server

#include <algorithm>

#include "storage/catalog/pg_stores.h"
#include "storage/catalog/sql_rows.h"

namespace mooring::storage {
namespace {

std::int64_t Milliseconds(absl::Duration duration) {
  return absl::ToInt64Milliseconds(duration);
}

class PgServerStore final : public ServerStore {
 public:
  explicit PgServerStore(SqlSession& sql) : sql_(sql) {}

  absl::Status Beat(const ServerRecord& server, absl::Duration alive_for) override {
    return sql_
        .Exec(
            "INSERT INTO server (id, name, agents, enrollment, version, heard_at, alive_until)"
            " VALUES ($1, $2, $3, $4, $5, clock_timestamp(),"
            "   clock_timestamp() + $6::bigint * interval '1 millisecond')"
            " ON CONFLICT (id) DO UPDATE SET name = excluded.name, agents = excluded.agents,"
            "   enrollment = excluded.enrollment, version = excluded.version,"
            "   heard_at = excluded.heard_at, alive_until = excluded.alive_until",
            server.id, server.name, server.agents, server.enrollment, server.version,
            Milliseconds(alive_for))
        .status();
  }

  absl::Status Leave(const ServerId& server) override {
    MOORING_RETURN_IF_ERROR(UnplaceAll(server));
    return sql_.Exec("UPDATE server SET alive_until = clock_timestamp() WHERE id = $1", server)
        .status();
  }

  absl::StatusOr<std::vector<ServerRecord>> List() override {
    return ReadRows<ServerRecord>(
        sql_.Exec("SELECT id, name, agents, enrollment, version, heard_at,"
                  " alive_until > clock_timestamp() FROM server ORDER BY name, id"),
        [](SqlReader& row) {
          ServerRecord server;
          server.id = row.IdOf<ServerId>();
          server.name = row.Text();
          server.agents = row.Text();
          server.enrollment = row.Text();
          server.version = row.Text();
          server.heard_at = row.Time();
          server.is_alive = row.Bool();
          return server;
        });
  }

  absl::Status Forget(absl::Duration silent_for) override {
    MOORING_RETURN_IF_ERROR(
        sql_.Exec("DELETE FROM server_order"
                  " WHERE created_at < clock_timestamp() - $1::bigint * interval '1 millisecond'",
                  Milliseconds(silent_for))
            .status());
    return sql_
        .Exec(
            "DELETE FROM server"
            " WHERE heard_at < clock_timestamp() - $1::bigint * interval '1 millisecond'",
            Milliseconds(silent_for))
        .status();
  }

  absl::Status Place(const AgentId& agent, const ServerId& server,
                     std::uint64_t connection) override {
    return sql_
        .Exec(
            "INSERT INTO agent_place (agent_id, server_id, connection) VALUES ($1, $2, $3)"
            " ON CONFLICT (agent_id) DO UPDATE SET server_id = excluded.server_id,"
            "   connection = excluded.connection",
            agent, server, connection)
        .status();
  }

  absl::StatusOr<bool> Unplace(const AgentId& agent, const ServerId& server,
                               std::uint64_t connection) override {
    MOORING_ASSIGN_OR_RETURN(const SqlResult result,
                             sql_.Exec("DELETE FROM agent_place WHERE agent_id = $1"
                                       " AND server_id = $2 AND connection = $3",
                                       agent, server, connection));
    return result.affected() > 0;
  }

  absl::Status UnplaceAll(const ServerId& server) override {
    return sql_.Exec("DELETE FROM agent_place WHERE server_id = $1", server).status();
  }

  absl::StatusOr<std::vector<AgentPlace>> Places() override {
    return ReadRows<AgentPlace>(
        sql_.Exec("SELECT p.agent_id, p.server_id, p.connection, s.alive_until > clock_timestamp(),"
                  " a.revoked_at IS NOT NULL FROM agent_place p"
                  " JOIN server s ON s.id = p.server_id JOIN agent a ON a.id = p.agent_id"),
        [](SqlReader& row) {
          AgentPlace place;
          place.agent = row.IdOf<AgentId>();
          place.server = row.IdOf<ServerId>();
          place.connection = row.Uint64();
          place.server_is_alive = row.Bool();
          place.is_revoked = row.Bool();
          return place;
        });
  }

  absl::Status PostOrder(const ServerId& to, const ServerOrder& order) override {
    return Touched(sql_.Exec("INSERT INTO server_order (server_id, agent_id, message, created_at)"
                             " SELECT $1::bytea, $2::bytea, $3::bytea, clock_timestamp()"
                             " WHERE EXISTS (SELECT 1 FROM server WHERE id = $1::bytea)",
                             to, order.agent, order.message),
                   absl::NotFoundError("no such server"));
  }

  absl::StatusOr<std::vector<ServerOrder>> TakeOrders(const ServerId& server,
                                                      absl::Duration age_max, int limit) override {
    struct Taken {
      std::uint64_t no = 0;
      bool is_fresh = false;
      ServerOrder order;
    };
    MOORING_ASSIGN_OR_RETURN(
        std::vector<Taken> taken,
        ReadRows<Taken>(
            sql_.Exec("DELETE FROM server_order WHERE no IN (SELECT no FROM server_order"
                      "   WHERE server_id = $1 ORDER BY no LIMIT $3)"
                      " RETURNING no, created_at >= clock_timestamp()"
                      "   - $2::bigint * interval '1 millisecond', agent_id, message",
                      server, Milliseconds(age_max), limit),
            [](SqlReader& row) {
              Taken one;
              one.no = row.Uint64();
              one.is_fresh = row.Bool();
              one.order.agent = row.IdOf<AgentId>();
              one.order.message = row.Blob();
              return one;
            }));
    std::sort(taken.begin(), taken.end(),
              [](const Taken& a, const Taken& b) { return a.no < b.no; });
    std::vector<ServerOrder> orders;
    for (Taken& one : taken) {
      if (one.is_fresh) orders.push_back(std::move(one.order));
    }
    return orders;
  }

  absl::StatusOr<bool> BeginTurn(const std::string& job, absl::Duration period) override {
    MOORING_ASSIGN_OR_RETURN(
        const SqlResult result,
        sql_.Exec("INSERT INTO job_turn AS t (name, began_at) VALUES ($1, clock_timestamp())"
                  " ON CONFLICT (name) DO UPDATE SET began_at = excluded.began_at"
                  " WHERE t.began_at <= clock_timestamp() - $2::bigint * interval '1 millisecond'",
                  job, Milliseconds(period)));
    return result.affected() > 0;
  }

  absl::Status CreateAuthority(const AuthorityRecord& authority) override {
    return Touched(sql_.Exec("INSERT INTO authority (certificate, wrapped_key) VALUES ($1, $2)"
                             " ON CONFLICT DO NOTHING",
                             authority.certificate, authority.wrapped_key),
                   absl::AlreadyExistsError("the organization has a CA"));
  }

  absl::StatusOr<std::optional<AuthorityRecord>> Authority() override {
    return ReadOptional<AuthorityRecord>(
        sql_.Exec("SELECT certificate, wrapped_key FROM authority"), [](SqlReader& row) {
          AuthorityRecord authority;
          authority.certificate = row.Text();
          authority.wrapped_key = row.Blob();
          return authority;
        });
  }

 private:
  SqlSession& sql_;
};

}  // namespace

std::unique_ptr<ServerStore> MakePgServerStore(SqlSession& sql) {
  return std::make_unique<PgServerStore>(sql);
}

}  // namespace mooring::storage

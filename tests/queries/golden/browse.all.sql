SELECT walk.id, walk.fsm, walk.fsm_version, walk.step, walk.status, walk.queue, walk.priority, walk.eligible_at, walk.paused_at, walk.attempt, walk.awaits, walk.deadline, walk.correlation_key, walk.concurrency_key, walk.rate_limit, walk.blocked, walk.locked_by, walk.lease_expires_at, walk.children_pending, walk.parent_id, walk.inserted_at, walk.updated_at, left(walk.last_error, 300) AS last_error
FROM (SELECT instances.id, instances.fsm, instances.fsm_version, instances.step, instances.status, instances.queue, instances.priority, instances.eligible_at, instances.paused_at, instances.attempt, instances.awaits, instances.deadline, instances.correlation_key, instances.concurrency_key, instances.rate_limit, instances.blocked, instances.locked_by, instances.lease_expires_at, instances.children_pending, instances.parent_id, instances.inserted_at, instances.updated_at, instances.last_error
FROM gendurable.instances
WHERE (instances.id) < (%(from_id)s::BIGINT) ORDER BY instances.id DESC
 LIMIT 10000) AS walk
WHERE (%(by_fsm)s::VARCHAR IS NULL OR walk.fsm = %(by_fsm)s::VARCHAR) AND (%(by_queue)s::VARCHAR IS NULL OR walk.queue = %(by_queue)s::VARCHAR) AND (%(by_key)s::VARCHAR IS NULL OR starts_with(walk.correlation_key, %(by_key)s::VARCHAR)) AND (%(by_step)s::VARCHAR IS NULL OR strpos(lower(walk.step), lower(%(by_step)s::VARCHAR)) > 0) ORDER BY walk.id DESC
 LIMIT 51

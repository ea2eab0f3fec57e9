SELECT instances.id, instances.fsm, instances.fsm_version, instances.step, instances.status, CAST(instances.state AS TEXT) AS state, instances.queue, instances.eligible_at, instances.paused_at, instances.blocked, instances.concurrency_key, instances.rate_limit, instances.weight, instances.awaits, instances.deadline, instances.round, instances.quorum, instances.children_pending, instances.children_done, instances.locked_by, instances.lease_expires_at, instances.last_error, pauses.paused_at AS queue_paused_at, pauses.paused_by AS queue_paused_by, pauses.pause_reason AS queue_pause_reason, array((SELECT nodes.name
FROM gendurable.nodes
WHERE nodes.beat_at > statement_timestamp() - %(alive)s * interval '1 second' AND instances.queue = ANY (nodes.queues) ORDER BY nodes.name)) AS serving, array((SELECT nodes.name
FROM gendurable.nodes
WHERE nodes.beat_at > statement_timestamp() - %(alive)s * interval '1 second' AND instances.queue = ANY (nodes.queues) AND (EXISTS (SELECT 1
FROM jsonb_array_elements(nodes.machines) AS m
WHERE m.value = jsonb_build_array(instances.fsm, instances.fsm_version, instances.step) OR m.value = jsonb_build_array(instances.fsm, instances.fsm_version, CAST(NULL AS TEXT)))) ORDER BY nodes.name)) AS knowing, statement_timestamp() AS seen_at
FROM gendurable.instances LEFT OUTER JOIN gendurable.pauses ON pauses.queue = instances.queue AND pauses.resumed_at IS NULL
WHERE instances.id = %(target)s::BIGINT

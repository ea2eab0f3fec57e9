WITH RECURSIVE lanes(priority) AS
(SELECT (SELECT instances.priority
FROM gendurable.instances
WHERE instances.queue = CAST((SELECT %(in_queue)s::VARCHAR AS anon_1) AS TEXT) AND instances.status = 'runnable' AND instances.blocked IS NULL AND instances.paused_at IS NULL AND NOT (EXISTS (SELECT *
FROM gendurable.pauses
WHERE pauses.queue = %(in_queue)s::VARCHAR AND pauses.resumed_at IS NULL)) ORDER BY instances.priority
 LIMIT 1) AS priority UNION ALL SELECT (SELECT instances.priority
FROM gendurable.instances
WHERE instances.queue = CAST((SELECT %(in_queue)s::VARCHAR AS anon_1) AS TEXT) AND instances.status = 'runnable' AND instances.blocked IS NULL AND instances.paused_at IS NULL AND instances.priority > lanes.priority ORDER BY instances.priority
 LIMIT 1) AS anon_2
FROM lanes
WHERE lanes.priority IS NOT NULL),
due AS
(SELECT head.id, head.fsm, head.fsm_version, head.step, head.state, head.attempt, head.visit, head.claim_seq, head.awaits, head.queue, head.priority, head.correlation_key, head.correlation_scope, head.parent_id, head.parent_round, head.round, head.headers, head.timed_out, head.crashes, head.concurrency_key, head.rate_limit, head.weight, head.eligible_at
FROM lanes JOIN LATERAL (SELECT instances.id, instances.fsm, instances.fsm_version, instances.step, CAST(instances.state AS TEXT) AS state, instances.attempt, instances.visit, instances.claim_seq, instances.awaits, instances.queue, instances.priority, instances.correlation_key, instances.correlation_scope, instances.parent_id, instances.parent_round, instances.round, CAST(instances.headers AS TEXT) AS headers, instances.timed_out, instances.crashes, instances.concurrency_key, instances.rate_limit, instances.weight, instances.eligible_at
FROM gendurable.instances
WHERE instances.queue = CAST((SELECT %(in_queue)s::VARCHAR AS anon_1) AS TEXT) AND instances.status = 'runnable' AND instances.blocked IS NULL AND instances.paused_at IS NULL AND instances.priority = lanes.priority AND instances.eligible_at <= statement_timestamp() ORDER BY instances.eligible_at, instances.id
 LIMIT 400 FOR NO KEY UPDATE SKIP LOCKED) AS head ON true
 LIMIT CAST((SELECT %(up_to)s::BIGINT AS anon_3) AS BIGINT)),
claimed AS
(UPDATE gendurable.instances SET status='executing', concurrency_key=NULL, slot=NULL, blocked=NULL, locked_by=%(worker)s::VARCHAR, lease_expires_at=(statement_timestamp() + %(ttl)s * interval '1 second'), claim_seq=(instances.claim_seq + 1), updated_at=statement_timestamp() WHERE instances.id = any(array((SELECT due.id
FROM due
WHERE due.concurrency_key IS NULL AND due.rate_limit IS NULL))) RETURNING instances.id)
 SELECT due.id, due.fsm, due.fsm_version, due.step, due.state, due.attempt, due.visit, due.claim_seq, due.awaits, due.queue, due.priority, due.correlation_key, due.correlation_scope, due.parent_id, due.parent_round, due.round, due.headers, due.timed_out, due.crashes, due.concurrency_key, due.rate_limit, due.weight, CASE WHEN (EXISTS (SELECT *
FROM due
WHERE NOT (due.concurrency_key IS NULL AND due.rate_limit IS NULL))) THEN due.eligible_at END AS eligible_at, claimed.id IS NOT NULL AS started, CASE WHEN (due.concurrency_key IS NULL) THEN NULL ELSE pg_try_advisory_xact_lock(1735287404, hashtext(due.concurrency_key) & 4095) END AS won, (SELECT signals.id
FROM gendurable.signals
WHERE signals.target_id = due.id
 LIMIT 1) IS NOT NULL AS mail, CASE WHEN (due.id IS NULL) THEN (SELECT CAST(EXTRACT(epoch FROM min(soonest.eligible_at) - statement_timestamp()) AS DOUBLE PRECISION) AS anon_4
FROM lanes JOIN LATERAL (SELECT instances.eligible_at
FROM gendurable.instances
WHERE instances.queue = CAST((SELECT %(in_queue)s::VARCHAR AS anon_1) AS TEXT) AND instances.status = 'runnable' AND instances.blocked IS NULL AND instances.paused_at IS NULL AND instances.priority = lanes.priority ORDER BY instances.eligible_at
 LIMIT 1) AS soonest ON true) ELSE NULL END AS next_due
FROM (SELECT 1 AS one) AS one LEFT OUTER JOIN (due LEFT OUTER JOIN claimed ON claimed.id = due.id) ON true ORDER BY due.priority, due.eligible_at, due.id

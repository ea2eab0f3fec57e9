WITH RECURSIVE lanes(priority) AS
(SELECT (SELECT gendurable.instances.priority
FROM gendurable.instances
WHERE gendurable.instances.queue = %(in_queue)s::VARCHAR AND gendurable.instances.status = 'runnable' AND gendurable.instances.blocked IS NULL AND gendurable.instances.paused_at IS NULL AND NOT (EXISTS (SELECT *
FROM gendurable.pauses
WHERE gendurable.pauses.queue = %(in_queue)s::VARCHAR AND gendurable.pauses.resumed_at IS NULL)) ORDER BY gendurable.instances.priority
 LIMIT 1) AS priority UNION ALL SELECT (SELECT gendurable.instances.priority
FROM gendurable.instances
WHERE gendurable.instances.queue = %(in_queue)s::VARCHAR AND gendurable.instances.status = 'runnable' AND gendurable.instances.blocked IS NULL AND gendurable.instances.paused_at IS NULL AND gendurable.instances.priority > lanes.priority ORDER BY gendurable.instances.priority
 LIMIT 1) AS anon_2
FROM lanes
WHERE lanes.priority IS NOT NULL),
due AS
(SELECT head.id AS id, head.fsm AS fsm, head.fsm_version AS fsm_version, head.step AS step, head.state AS state, head.attempt AS attempt, head.visit AS visit, head.claim_seq AS claim_seq, head.awaits AS awaits, head.queue AS queue, head.priority AS priority, head.correlation_key AS correlation_key, head.correlation_scope AS correlation_scope, head.parent_id AS parent_id, head.parent_round AS parent_round, head.round AS round, head.headers AS headers, head.timed_out AS timed_out, head.crashes AS crashes, head.concurrency_key AS concurrency_key, head.rate_limit AS rate_limit, head.weight AS weight, head.eligible_at AS eligible_at
FROM lanes JOIN LATERAL (SELECT gendurable.instances.id AS id, gendurable.instances.fsm AS fsm, gendurable.instances.fsm_version AS fsm_version, gendurable.instances.step AS step, CAST(gendurable.instances.state AS TEXT) AS state, gendurable.instances.attempt AS attempt, gendurable.instances.visit AS visit, gendurable.instances.claim_seq AS claim_seq, gendurable.instances.awaits AS awaits, gendurable.instances.queue AS queue, gendurable.instances.priority AS priority, gendurable.instances.correlation_key AS correlation_key, gendurable.instances.correlation_scope AS correlation_scope, gendurable.instances.parent_id AS parent_id, gendurable.instances.parent_round AS parent_round, gendurable.instances.round AS round, CAST(gendurable.instances.headers AS TEXT) AS headers, gendurable.instances.timed_out AS timed_out, gendurable.instances.crashes AS crashes, gendurable.instances.concurrency_key AS concurrency_key, gendurable.instances.rate_limit AS rate_limit, gendurable.instances.weight AS weight, gendurable.instances.eligible_at AS eligible_at
FROM gendurable.instances
WHERE gendurable.instances.queue = %(in_queue)s::VARCHAR AND gendurable.instances.status = 'runnable' AND gendurable.instances.blocked IS NULL AND gendurable.instances.paused_at IS NULL AND gendurable.instances.priority = lanes.priority AND gendurable.instances.eligible_at <= statement_timestamp() ORDER BY gendurable.instances.eligible_at, gendurable.instances.id
 LIMIT %(up_to)s::BIGINT FOR NO KEY UPDATE SKIP LOCKED) AS head ON true
 LIMIT %(up_to)s::BIGINT),
claimed AS
(UPDATE gendurable.instances SET status='executing', concurrency_key=NULL, slot=NULL, blocked=NULL, locked_by=%(worker)s::VARCHAR, lease_expires_at=(statement_timestamp() + %(ttl)s * interval '1 second'), claim_seq=(gendurable.instances.claim_seq + 1), updated_at=statement_timestamp() WHERE gendurable.instances.id = any(array((SELECT due.id
FROM due
WHERE due.concurrency_key IS NULL AND due.rate_limit IS NULL))) RETURNING gendurable.instances.id)
 SELECT due.id, due.fsm, due.fsm_version, due.step, due.state, due.attempt, due.visit, due.claim_seq, due.awaits, due.queue, due.priority, due.correlation_key, due.correlation_scope, due.parent_id, due.parent_round, due.round, due.headers, due.timed_out, due.crashes, due.concurrency_key, due.rate_limit, due.weight, due.eligible_at, claimed.id IS NOT NULL AS started, CASE WHEN (due.id IS NULL) THEN (SELECT CAST(EXTRACT(epoch FROM min(soonest.eligible_at) - statement_timestamp()) AS DOUBLE PRECISION) AS anon_1
FROM lanes JOIN LATERAL (SELECT gendurable.instances.eligible_at AS eligible_at
FROM gendurable.instances
WHERE gendurable.instances.queue = %(in_queue)s::VARCHAR AND gendurable.instances.status = 'runnable' AND gendurable.instances.blocked IS NULL AND gendurable.instances.paused_at IS NULL AND gendurable.instances.priority = lanes.priority ORDER BY gendurable.instances.eligible_at
 LIMIT 1) AS soonest ON true) ELSE NULL END AS next_due
FROM (SELECT 1 AS one) AS one LEFT OUTER JOIN (due LEFT OUTER JOIN claimed ON claimed.id = due.id) ON true ORDER BY due.priority, due.eligible_at, due.id

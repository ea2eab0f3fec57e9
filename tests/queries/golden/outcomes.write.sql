WITH batch AS MATERIALIZED
(SELECT document.id, document.claim_seq, document.fsm_version, document.status, document.step, document.state, document.result, document.last_error, document.attempt, document.visit, document.crashes, document.queue, document.priority, document.delay, document.awaits, document.timeout, document.timed_out, document.concurrency_key, document.rate_limit, document.weight, document.round, document.quorum, document.pending, document.ended_from, document.ahead, document.ahead IS NOT NULL AND NOT (EXISTS (SELECT *
FROM gendurable.pauses
WHERE pauses.queue = document.ahead AND pauses.resumed_at IS NULL)) AS open
FROM json_to_recordset(%(batch)s::JSON) AS document(id BIGINT, claim_seq BIGINT, fsm_version INTEGER, status TEXT, step TEXT, state JSONB, result JSONB, last_error TEXT, attempt INTEGER, visit BIGINT, crashes INTEGER, queue TEXT, priority SMALLINT, delay DOUBLE PRECISION, awaits TEXT[], timeout DOUBLE PRECISION, timed_out BOOLEAN, concurrency_key TEXT, rate_limit TEXT, weight INTEGER, round INTEGER, quorum INTEGER, pending INTEGER, ended_from TEXT, ahead TEXT)),
locked AS
(SELECT instances.id
FROM batch JOIN gendurable.instances ON instances.id = batch.id AND instances.locked_by = CASE WHEN (batch.claim_seq IS NOT NULL) THEN %(worker)s::VARCHAR END AND instances.claim_seq = batch.claim_seq
WHERE instances.id = any(CAST((SELECT %(ids)s::BIGINT[] AS anon_1) AS BIGINT[])) ORDER BY instances.id FOR NO KEY UPDATE OF instances SKIP LOCKED),
written AS
(UPDATE gendurable.instances SET fsm_version=coalesce(batch.fsm_version, instances.fsm_version), step=coalesce(batch.step, instances.step), status=CASE WHEN (batch.open AND instances.queue = batch.ahead AND instances.paused_at IS NULL) THEN 'executing' ELSE CAST(batch.status AS gendurable.status) END, state=batch.state, result=batch.result, last_error=batch.last_error, queue=coalesce(batch.queue, instances.queue), priority=coalesce(batch.priority, instances.priority), eligible_at=(statement_timestamp() + coalesce(batch.delay, 0) * interval '1 second'), attempt=coalesce(batch.attempt, instances.attempt), visit=coalesce(batch.visit, instances.visit), crashes=coalesce(batch.crashes, 0), awaits=batch.awaits, deadline=(statement_timestamp() + batch.timeout * interval '1 second'), timed_out=coalesce(batch.timed_out, false), concurrency_key=batch.concurrency_key, slot=NULL, rate_limit=batch.rate_limit, weight=coalesce(batch.weight, 1), blocked=NULL, locked_by=CASE WHEN (batch.open AND instances.queue = batch.ahead AND instances.paused_at IS NULL) THEN %(worker)s::VARCHAR END, lease_expires_at=CASE WHEN (batch.open AND instances.queue = batch.ahead AND instances.paused_at IS NULL) THEN statement_timestamp() + %(ttl)s * interval '1 second' END, claim_seq=(instances.claim_seq + CASE WHEN (batch.open AND instances.queue = batch.ahead AND instances.paused_at IS NULL) THEN 1 ELSE 0 END), round=coalesce(batch.round, instances.round), quorum=batch.quorum, children_pending=coalesce(batch.pending, 0), children_done=0, ended_from=CAST(batch.ended_from AS gendurable.status), updated_at=statement_timestamp() FROM batch WHERE instances.id = any(array((SELECT locked.id
FROM locked))) AND instances.id = batch.id AND instances.claim_seq = batch.claim_seq RETURNING instances.id, instances.status, instances.queue),
emptied AS
(DELETE FROM gendurable.signals USING written WHERE signals.target_id = written.id AND written.status = 'done')
 SELECT written.id, CASE WHEN (written.status = 'runnable') THEN written.queue ELSE NULL END AS queue, CASE WHEN (written.status = 'executing') THEN (SELECT signals.id
FROM gendurable.signals
WHERE signals.target_id = written.id AND signals.consumed_at IS NULL
 LIMIT 1) IS NOT NULL END AS mail
FROM written

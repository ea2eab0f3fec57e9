WITH target AS
(SELECT instances.id, instances.status, instances.awaits, instances.queue
FROM gendurable.instances
WHERE instances.id = %(target)s::BIGINT AND (instances.status IN ('runnable', 'executing', 'awaiting_signal', 'awaiting_children')) FOR NO KEY UPDATE),
stored AS
(INSERT INTO gendurable.signals (target_id, name, payload, dedup_key, headers) SELECT target.id, %(signal)s::VARCHAR AS anon_1, %(body)s::JSONB AS anon_2, %(dedup)s::VARCHAR AS anon_3, %(word)s::JSONB AS anon_4
FROM target ON CONFLICT (target_id, name, dedup_key) WHERE dedup_key IS NOT NULL DO NOTHING RETURNING signals.target_id),
woken AS
(UPDATE gendurable.instances SET status='runnable', eligible_at=statement_timestamp(), deadline=NULL, timed_out=false, slot=NULL, blocked=NULL, locked_by=NULL, lease_expires_at=NULL, ended_from=NULL, updated_at=statement_timestamp() FROM stored, target WHERE instances.id = stored.target_id AND stored.target_id = target.id AND target.status = 'awaiting_signal' AND %(signal)s::VARCHAR = any(target.awaits) RETURNING instances.id)
 SELECT target.id, stored.target_id IS NOT NULL AS stored, CASE WHEN (woken.id IS NOT NULL) THEN target.queue ELSE NULL END AS woken
FROM target LEFT OUTER JOIN stored ON stored.target_id = target.id LEFT OUTER JOIN woken ON woken.id = target.id

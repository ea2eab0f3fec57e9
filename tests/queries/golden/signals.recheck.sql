UPDATE gendurable.instances SET status='runnable', eligible_at=statement_timestamp(), deadline=NULL, updated_at=statement_timestamp() WHERE instances.id = any(CAST((SELECT %(ids)s::BIGINT[] AS anon_1) AS BIGINT[])) AND instances.status = 'awaiting_signal' AND (EXISTS (SELECT *
FROM gendurable.signals
WHERE signals.target_id = instances.id AND signals.consumed_at IS NULL AND signals.name = any(instances.awaits) AND signals.id != all(%(presented)s::BIGINT[]))) RETURNING instances.queue

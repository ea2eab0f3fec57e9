UPDATE gendurable.instances SET status='runnable', eligible_at=statement_timestamp(), deadline=NULL, updated_at=statement_timestamp() WHERE gendurable.instances.id = any(%(ids)s::BIGINT[]) AND gendurable.instances.status = 'awaiting_signal' AND (EXISTS (SELECT *
FROM gendurable.signals
WHERE gendurable.signals.target_id = gendurable.instances.id AND gendurable.signals.consumed_at IS NULL AND gendurable.signals.name = any(gendurable.instances.awaits) AND gendurable.signals.id != all(%(presented)s::BIGINT[]))) RETURNING gendurable.instances.queue

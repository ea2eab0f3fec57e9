SELECT instances.id, instances.updated_at, coalesce((SELECT parent.round = instances.parent_round AND (parent.status IN ('runnable', 'executing', 'awaiting_signal', 'awaiting_children')) AS anon_1
FROM gendurable.instances AS parent
WHERE parent.id = instances.parent_id), false) AS needed
FROM gendurable.instances
WHERE instances.status = 'cancelled' AND instances.updated_at < statement_timestamp() - %(retention)s * interval '1 second' AND (instances.updated_at, instances.id) > (%(after_time)s::TIMESTAMP WITH TIME ZONE, %(after_id)s::BIGINT) ORDER BY instances.updated_at, instances.id
 LIMIT %(up_to)s::BIGINT

SELECT gendurable.instances.id, gendurable.instances.updated_at, coalesce((SELECT parent.round = gendurable.instances.parent_round AND (parent.status IN ('runnable', 'executing', 'awaiting_signal', 'awaiting_children')) AS anon_1
FROM gendurable.instances AS parent
WHERE parent.id = gendurable.instances.parent_id), false) AS needed
FROM gendurable.instances
WHERE gendurable.instances.status = 'failed' AND gendurable.instances.updated_at < statement_timestamp() - %(retention)s * interval '1 second' AND (gendurable.instances.updated_at, gendurable.instances.id) > (%(after_time)s::TIMESTAMP WITH TIME ZONE, %(after_id)s::BIGINT) ORDER BY gendurable.instances.updated_at, gendurable.instances.id
 LIMIT %(up_to)s::BIGINT

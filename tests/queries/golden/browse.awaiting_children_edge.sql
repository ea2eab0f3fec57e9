SELECT gendurable.instances.queue, gendurable.instances.id
FROM gendurable.instances
WHERE (gendurable.instances.queue, gendurable.instances.id) > (%(from_queue)s::VARCHAR, %(from_id)s::BIGINT) AND CASE WHEN (gendurable.instances.status IN ('awaiting_signal', 'awaiting_children')) THEN true ELSE false END AND gendurable.instances.status = 'awaiting_children' ORDER BY gendurable.instances.queue, gendurable.instances.id
 LIMIT 1 OFFSET 9999

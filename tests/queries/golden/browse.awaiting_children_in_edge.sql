SELECT gendurable.instances.id
FROM gendurable.instances
WHERE (gendurable.instances.id) > (%(from_id)s::BIGINT) AND CASE WHEN (gendurable.instances.status IN ('awaiting_signal', 'awaiting_children')) THEN true ELSE false END AND gendurable.instances.status = 'awaiting_children' AND gendurable.instances.queue = %(in_queue)s::VARCHAR ORDER BY gendurable.instances.id
 LIMIT 1 OFFSET 9999

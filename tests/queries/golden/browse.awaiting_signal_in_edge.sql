SELECT instances.id
FROM gendurable.instances
WHERE (instances.id) > (%(from_id)s::BIGINT) AND CASE WHEN (instances.status IN ('awaiting_signal', 'awaiting_children')) THEN true ELSE false END AND instances.status = 'awaiting_signal' AND instances.queue = %(in_queue)s::VARCHAR ORDER BY instances.id
 LIMIT 1 OFFSET 9999

SELECT instances.queue, instances.id
FROM gendurable.instances
WHERE (instances.queue, instances.id) > (%(from_queue)s::VARCHAR, %(from_id)s::BIGINT) AND CASE WHEN (instances.status IN ('awaiting_signal', 'awaiting_children')) THEN true ELSE false END AND instances.status = 'awaiting_signal' ORDER BY instances.queue, instances.id
 LIMIT 1 OFFSET 9999

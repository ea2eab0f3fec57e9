SELECT instances.id
FROM gendurable.instances
WHERE instances.id = %(former)s::BIGINT AND (instances.status IN ('runnable', 'executing', 'awaiting_signal', 'awaiting_children'))

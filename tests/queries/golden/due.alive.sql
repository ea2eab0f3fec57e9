SELECT gendurable.instances.id
FROM gendurable.instances
WHERE gendurable.instances.id = %(former)s::BIGINT AND (gendurable.instances.status IN ('runnable', 'executing', 'awaiting_signal', 'awaiting_children'))

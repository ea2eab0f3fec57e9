SELECT gendurable.instances.id
FROM gendurable.instances
WHERE gendurable.instances.parent_id = any(%(ids)s::BIGINT[]) AND ((gendurable.instances.status IN ('runnable', 'executing', 'awaiting_signal', 'awaiting_children')) OR (EXISTS (SELECT *
FROM gendurable.instances AS child
WHERE child.parent_id = gendurable.instances.id))) ORDER BY gendurable.instances.id FOR NO KEY UPDATE OF instances

SELECT count(*) AS count, min(instances.id) AS example
FROM gendurable.instances
WHERE instances.status = 'awaiting_children' AND instances.children_pending != (SELECT count(*) AS count_1
FROM gendurable.instances AS child
WHERE child.parent_id = instances.id AND child.parent_round = instances.round AND (child.status IN ('runnable', 'executing', 'awaiting_signal', 'awaiting_children')))

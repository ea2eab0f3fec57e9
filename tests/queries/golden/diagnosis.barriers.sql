SELECT count(*) AS count, min(gendurable.instances.id) AS example
FROM gendurable.instances
WHERE gendurable.instances.status = 'awaiting_children' AND gendurable.instances.children_pending != (SELECT count(*) AS count_1
FROM gendurable.instances AS child
WHERE child.parent_id = gendurable.instances.id AND child.parent_round = gendurable.instances.round AND (child.status IN ('runnable', 'executing', 'awaiting_signal', 'awaiting_children')))

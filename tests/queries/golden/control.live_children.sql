SELECT instances.id
FROM gendurable.instances
WHERE instances.parent_id = any(CAST((SELECT %(ids)s::BIGINT[] AS anon_1) AS BIGINT[])) AND ((instances.status IN ('runnable', 'executing', 'awaiting_signal', 'awaiting_children')) OR (EXISTS (SELECT *
FROM gendurable.instances AS child
WHERE child.parent_id = instances.id))) ORDER BY instances.id FOR NO KEY UPDATE OF instances

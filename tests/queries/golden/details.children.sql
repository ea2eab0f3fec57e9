SELECT family.id, family.parent_id, family.parent_round, family.fsm, family.step, family.status, family.children_pending, family.updated_at, family.last_error
FROM unnest(CAST((SELECT %(ids)s::BIGINT[] AS anon_1) AS BIGINT[])) AS parents(parent_id) JOIN LATERAL (SELECT instances.id, instances.parent_id, instances.parent_round, instances.fsm, instances.step, instances.status, instances.children_pending, instances.updated_at, left(instances.last_error, 300) AS last_error
FROM gendurable.instances
WHERE instances.parent_id = parents.parent_id AND instances.id > %(after)s::BIGINT ORDER BY instances.id
 LIMIT 26) AS family ON true ORDER BY family.parent_id, family.id

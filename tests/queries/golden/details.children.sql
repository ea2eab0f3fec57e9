SELECT family.id, family.parent_id, family.parent_round, family.fsm, family.step, family.status, family.children_pending, family.updated_at, family.last_error
FROM unnest(%(ids)s::BIGINT[]) AS parents(parent_id) JOIN LATERAL (SELECT gendurable.instances.id AS id, gendurable.instances.parent_id AS parent_id, gendurable.instances.parent_round AS parent_round, gendurable.instances.fsm AS fsm, gendurable.instances.step AS step, gendurable.instances.status AS status, gendurable.instances.children_pending AS children_pending, gendurable.instances.updated_at AS updated_at, left(gendurable.instances.last_error, 300) AS last_error
FROM gendurable.instances
WHERE gendurable.instances.parent_id = parents.parent_id AND gendurable.instances.id > %(after)s::BIGINT ORDER BY gendurable.instances.id
 LIMIT 26) AS family ON true ORDER BY family.parent_id, family.id

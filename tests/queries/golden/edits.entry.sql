SELECT gendurable.transitions.instance_id, gendurable.transitions.kind, gendurable.transitions.step, CAST(gendurable.transitions.state AS TEXT) AS state
FROM gendurable.transitions
WHERE gendurable.transitions.id = %(entry)s::BIGINT

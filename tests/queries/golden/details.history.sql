SELECT gendurable.transitions.id, gendurable.transitions.instance_id, gendurable.transitions.kind, gendurable.transitions.step, gendurable.transitions.attempt, gendurable.transitions.visit, gendurable.transitions.duration, gendurable.transitions.worker, gendurable.transitions.error, gendurable.transitions.made_by, gendurable.transitions.reason, gendurable.transitions.inserted_at, left(gendurable.transitions.traceback, 20000) AS traceback, left(CAST(gendurable.transitions.state AS TEXT), 20000) AS state
FROM gendurable.transitions
WHERE gendurable.transitions.instance_id = %(target)s::BIGINT AND gendurable.transitions.id < %(before)s::BIGINT ORDER BY gendurable.transitions.id DESC
 LIMIT 26

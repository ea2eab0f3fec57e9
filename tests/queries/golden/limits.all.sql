SELECT gendurable.limits.kind, gendurable.limits.name, gendurable.limits.source, gendurable.limits.amount, gendurable.limits.per_us, gendurable.limits.burst
FROM gendurable.limits ORDER BY gendurable.limits.kind, gendurable.limits.name, gendurable.limits.source DESC

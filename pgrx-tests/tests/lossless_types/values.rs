//! Every type a column can have, with the values most likely to be lost.

/// A type, and literals or expressions of it as SQL.
pub type Case = (&'static str, &'static [&'static str]);

/// The types of pg_catalog. A test compares the list with pg_type.
pub const BUILT_IN: &[Case] = &[
    ("boolean", &["true", "false"]),
    ("smallint", &["'-32768'", "'32767'", "0"]),
    ("integer", &["'-2147483648'", "'2147483647'"]),
    (
        "bigint",
        &["'-9223372036854775808'", "'9223372036854775807'"],
    ),
    (
        "numeric",
        &[
            "'1.50000'",
            "'0'",
            "'0.000'",
            "'-0.0'",
            "'NaN'",
            "'Infinity'",
            "'-Infinity'",
            "'1e-16383'",
            "('1' || repeat('0', 131071))::numeric",
            "'123456789012345678901234567890.000000000000000001'",
            "'9999'",
            "'10000'",
            "'100000000'",
            "'0.0001'",
            "'0.00010000'",
        ],
    ),
    ("numeric(10,3)", &["'1.5'", "'9999999.999'", "'NaN'"]),
    (
        "real",
        &[
            "'NaN'",
            "'Infinity'",
            "'-Infinity'",
            "'-0'",
            "'1.1754944e-38'",
            "'1e-45'",
            "'3.4028235e38'",
            "'0.1'",
        ],
    ),
    (
        "double precision",
        &[
            "'NaN'",
            "'Infinity'",
            "'-Infinity'",
            "'-0'",
            "'5e-324'",
            "'1.7976931348623157e308'",
            "'0.30000000000000004'",
        ],
    ),
    (
        "money",
        &[
            "'-92233720368547758.08'",
            "'92233720368547758.07'",
            "'0.01'",
            "1234567.89::numeric::money",
        ],
    ),
    (
        "text",
        &[
            "''",
            "' '",
            "'null'",
            r"E'\\x01'",
            "E'\\x01\\x02\\x1f\\x7f'",
            r#"E'"\\\b\f\n\r\t/'"#,
            "'{\"a\": [}'",
            "repeat('long ', 4000000)",
            "repeat('\"\\', 500000)",
        ],
    ),
    ("varchar", &["''", "'x '", "repeat('v', 3000)"]),
    ("varchar(5)", &["'ab   '", "''", "'abcde'"]),
    ("char(5)", &["'ab'", "''", "'abcde'"]),
    ("bpchar", &["'ab  '", "''"]),
    (
        "\"char\"",
        &[
            "'a'",
            "''",
            "'\"'",
            "'\\'",
            "(-1)::\"char\"",
            "(-128)::\"char\"",
            "1::\"char\"",
        ],
    ),
    ("name", &["'app'", "''", "repeat('n', 63)::name"]),
    (
        "bytea",
        &[
            "''",
            r"'\x00ff5c22'",
            r"decode(repeat('00ff', 8000000), 'hex')",
        ],
    ),
    ("bit(3)", &["B'101'", "B'000'"]),
    (
        "bit varying",
        &["B''", "B'1'", "repeat('10', 5000)::varbit"],
    ),
    (
        "date",
        &[
            "'infinity'",
            "'-infinity'",
            "'4714-11-24 BC'",
            "'0001-12-31 BC'",
            "'0001-01-01'",
            "'9999-12-31'",
            "'10000-01-01'",
            "'5874897-12-31'",
            "'2000-02-29'",
            "'2001-02-03'",
        ],
    ),
    (
        "time",
        &["'00:00'", "'24:00:00'", "'23:59:59.999999'", "'04:05:06.7'"],
    ),
    ("time(2)", &["'04:05:06.78'"]),
    (
        "timetz",
        &[
            "'00:00+15:59:59'",
            "'24:00:00-15:59:59'",
            "'04:05:06.789012-03:30'",
        ],
    ),
    (
        "timestamp",
        &[
            "'infinity'",
            "'-infinity'",
            "'4714-11-24 00:00:00 BC'",
            "'294276-12-31 23:59:59.999999'",
            "'0044-03-15 12:00:00.000001 BC'",
            "'2001-02-03 04:05:06.7'",
            "'10000-01-01 00:00:00'",
        ],
    ),
    ("timestamp(0)", &["'2001-02-03 04:05:07'"]),
    (
        "timestamptz",
        &[
            "'infinity'",
            "'-infinity'",
            "'4714-11-24 00:00:00+00 BC'",
            "'294276-12-31 23:59:59.999999+00'",
            "'0044-03-15 12:00:00.000001+00 BC'",
            "'2021-11-07 01:30:00-04'",
            "'2021-11-07 01:30:00-05'",
            "'1883-11-18 12:03:57+00'",
        ],
    ),
    (
        "interval",
        &[
            "'0'",
            "'-1 year -2 mons +3 days -04:05:06.7'",
            "'1 mon -1 day'",
            "'-00:00:00.000001'",
            "'178956970 years 7 mons 2147483647 days 2562047788:00:54.775807'",
            "'-178956970 years -8 mons'",
            "'-2147483648 days'",
            "'1 year 2 mons -3 days 04:05:06'",
        ],
    ),
    ("interval(0)", &["'00:00:07'"]),
    (
        "uuid",
        &[
            "'00000000-0000-0000-0000-000000000000'",
            "'c4ca4238-a0b9-2382-0dcc-509a6f75849b'",
        ],
    ),
    (
        "json",
        &[
            "'null'",
            "' null '",
            "'{\"b\":1,  \"b\":2, \"a\" : 1.0e0}'",
            r#"'"\u0001\ud83d\ude00"'"#,
            "'1.000'",
            r#"'"\u0000"'"#,
        ],
    ),
    (
        "jsonb",
        &[
            "'null'",
            "'{\"a\": [1, null, {}], \"\": -0.00}'",
            r#"'"\u0001\"\\"'"#,
            "'1e-300'",
            "'\"\"'",
            "'[]'",
        ],
    ),
    (
        "jsonpath",
        &[
            "'$'",
            "'lax $.\"a b\"[*] ? (@.x > 1.50 && @.y like_regex \"^a\" flag \"i\")'",
            "'strict $[last]'",
        ],
    ),
    (
        "xml",
        &[
            "'a'",
            "''",
            "xmlparse(document '<?xml version=\"1.0\" standalone=\"yes\"?><a b=\"c\">  </a>')",
            "xmlparse(document '<?xml version=\"1.0\" encoding=\"utf-8\"?><a/>')",
            "xmlparse(document '<!DOCTYPE a><a/>')",
            "xmlparse(content '<a/> &lt; <b/>')",
        ],
    ),
    (
        "point",
        &["'(0.1,1e300)'", "'(-0,NaN)'", "'(Infinity,-Infinity)'"],
    ),
    ("line", &["'{1,-0.1,1e-300}'"]),
    ("lseg", &["'[(0.1,0.2),(-0,3)]'"]),
    ("box", &["'(1,2),(0.1,-0.2)'"]),
    ("path", &["'[(0.1,0.2),(3,4)]'", "'((0.1,0.2),(3,4))'"]),
    ("polygon", &["'((0.1,0.2),(3,4),(5,6))'"]),
    ("circle", &["'<(0.1,0.2),0.3>'", "'<(0,0),NaN>'"]),
    (
        "inet",
        &[
            "'10.0.0.1/8'",
            "'::ffff:1.2.3.4/128'",
            "'0.0.0.0/0'",
            "'fe80::1/64'",
        ],
    ),
    ("cidr", &["'10.0.0.0/8'", "'::/0'"]),
    ("macaddr", &["'08:00:2b:01:02:03'"]),
    ("macaddr8", &["'08:00:2b:01:02:03:04:05'"]),
    (
        "tsvector",
        &[r#"'''a b'':1A,2B,16383 ''c''''d\\'' e'"#, "''"],
    ),
    ("tsquery", &["'a & !(b:*AC | ''c d'') <3> e'", "''"]),
    ("pg_lsn", &["'0/0'", "'FFFFFFFF/FFFFFFFF'"]),
    ("pg_snapshot", &["'10:20:10,14,15'"]),
    ("txid_snapshot", &["'10:20:10,14,15'"]),
    ("oid", &["'4294967295'", "0"]),
    ("xid", &["'4294967295'", "'0'"]),
    ("xid8", &["'18446744073709551615'", "'0'"]),
    ("cid", &["'4294967295'"]),
    ("tid", &["'(4294967295,65535)'", "'(0,1)'"]),
    ("oidvector", &["''", "'1 2 4294967295'"]),
    ("int2vector", &["''", "'1 -2 32767'"]),
    ("refcursor", &["'<unnamed portal 1>'"]),
    ("aclitem", &["'app=r*w/postgres'", "'=X/app'"]),
    (
        "regclass",
        &[
            "'pg_class'",
            "'things'",
            "'\"Hidden Schema\".\"Odd.Table\"'",
            "'\"Hidden Schema\".things'",
            "0::oid::regclass",
            "4294967295::oid::regclass",
        ],
    ),
    (
        "regtype",
        &[
            "'integer'",
            "'\"Hidden Schema\".mood'",
            "'\"Hidden Schema\".mood[]'",
            "'timestamptz'",
            "'\"char\"'",
            "0::oid::regtype",
        ],
    ),
    (
        "regproc",
        &[
            "'now'",
            "'\"Hidden Schema\".twice'",
            "(SELECT min(oid::oid)::regproc FROM pg_proc WHERE proname = 'sum')",
            "(SELECT oid FROM pg_proc WHERE proname = 'upper' AND pronamespace <> 'pg_catalog'::regnamespace)::regproc",
            "0::oid::regproc",
        ],
    ),
    (
        "regprocedure",
        &[
            "'sum(int)'",
            "'\"Hidden Schema\".twice(int)'",
            "0::oid::regprocedure",
        ],
    ),
    (
        "regoper",
        &[
            "'||/'",
            "(SELECT min(oid::oid)::regoper FROM pg_operator WHERE oprname = '+')",
            "0::oid::regoper",
        ],
    ),
    (
        "regoperator",
        &["'+(int,int)'", "'-(NONE,int)'", "0::oid::regoperator"],
    ),
    (
        "regnamespace",
        &["'\"Hidden Schema\"'", "'public'", "0::oid::regnamespace"],
    ),
    ("regrole", &["'app'", "0::oid::regrole"]),
    ("regcollation", &["'\"C\"'", "'\"Hidden Schema\".\"Same\"'"]),
    ("regconfig", &["'english'", "'\"Hidden Schema\".english'"]),
    ("regdictionary", &["'simple'", "'\"Hidden Schema\".simple'"]),
    (
        "int4range",
        &["'empty'", "'[1,5)'", "'(,)'", "'[-2147483648,)'"],
    ),
    ("int8range", &["'empty'", "'[1,9223372036854775807)'"]),
    ("numrange", &["'empty'", "'(1.500,2.0]'", "'[NaN,]'"]),
    (
        "daterange",
        &["'empty'", "'[0044-03-15 BC,infinity]'", "'[,infinity)'"],
    ),
    (
        "tsrange",
        &["'empty'", "'[\"0044-03-15 12:00:00.000001 BC\",infinity)'"],
    ),
    (
        "tstzrange",
        &[
            "'empty'",
            "'[\"2021-11-07 01:30:00.000001-04\",\"2021-11-07 01:30:00-05\"]'",
        ],
    ),
    ("int4multirange", &["'{}'", "'{[1,2),[5,)}'"]),
    ("int8multirange", &["'{}'", "'{[1,2),[5,)}'"]),
    ("nummultirange", &["'{}'", "'{[1.10,2.0],(5,)}'"]),
    (
        "datemultirange",
        &["'{}'", "'{[0044-03-15 BC,0001-01-01)}'"],
    ),
    (
        "tsmultirange",
        &["'{}'", "'{[2001-02-03 04:05:06,infinity]}'"],
    ),
    (
        "tstzmultirange",
        &["'{}'", "'{[2001-02-03 04:05:06+05:30,infinity]}'"],
    ),
    (
        "pg_node_tree",
        &["(SELECT ev_action FROM pg_rewrite ORDER BY oid LIMIT 1)"],
    ),
    (
        "pg_ndistinct",
        &["(SELECT stxdndistinct FROM pg_statistic_ext_data)"],
    ),
    (
        "pg_dependencies",
        &["(SELECT stxddependencies FROM pg_statistic_ext_data)"],
    ),
    (
        "pg_mcv_list",
        &["(SELECT stxdmcv FROM pg_statistic_ext_data)"],
    ),
    // Nothing a user can call returns a value of these.
    ("gtsvector", &[]),
    ("pg_brin_bloom_summary", &[]),
    ("pg_brin_minmax_multi_summary", &[]),
];

/// What else PostgreSQL's own catalogs offer, and what users make.
pub const OF_USERS: &[Case] = &[
    ("information_schema.cardinal_number", &["0"]),
    ("information_schema.sql_identifier", &["'x'"]),
    (
        "information_schema.time_stamp",
        &["'2001-02-03 04:05:06.78+00'"],
    ),
    ("information_schema.yes_or_no", &["'YES'"]),
    (
        "\"Hidden Schema\".mood",
        &["'so so'", "''", "'NULL'", "'Quoted \"x\", {y}'"],
    ),
    (
        "\"Hidden Schema\".\"Pair. 🙂\"",
        &[
            "ROW(NULL, NULL, NULL, NULL)",
            "ROW(1, 'a \"b\", (c)\\', '{1,NULL}', '[2:2]={x}')",
            "NULL",
        ],
    ),
    (
        "nested",
        &[
            "ROW('(1,x,,)', ARRAY['(,,,)', NULL, '(2,\"a,b\",{},{})']::\"Hidden Schema\".\"Pair. 🙂\"[], 'pg_class', '-0', '12.34')",
        ],
    ),
    ("deep", &["'{NULL,1.10}'", "NULL", "'{}'"]),
    ("short", &["'abc'", "''"]),
    ("percent", &["'50.00'"]),
    ("float_range", &["'[0.1,Infinity]'", "'empty'"]),
    ("float_multirange", &["'{[0.1,0.30000000000000004],[1,)}'"]),
    ("even_range", &["even_range(1, 7)", "'[2,6)'"]),
    ("counted", &["'12'", "'-5'"]),
    ("spelled", &["'any \"text\"'", "''"]),
    ("things", &["ROW(1)"]),
    ("pg_namespace", &["ROW(1, 'x', 10, '{app=U/app}')"]),
];

/// Types of extensions that not every installation has: the extension, the type, its values.
pub const OF_EXTENSIONS: &[(&str, &str, &[&str])] = &[
    ("citext", "citext", &["'MiXed'", "''"]),
    (
        "hstore",
        "hstore",
        &[r#"'"a \"b\""=>NULL, "NULL"=>"NULL", ""=>""'"#, "''"],
    ),
    ("ltree", "ltree", &["'Top.Science.x_1'", "''"]),
    ("ltree", "lquery", &["'Top.*{1,3}.!a|b%@*'"]),
    ("ltree", "ltxtquery", &["'a & !(b | c*)'"]),
    ("cube", "cube", &["'(0.1,2),(3,4)'", "'(1,2)'", "'()'"]),
    (
        "seg",
        "seg",
        &["'1.50 .. 2.0'", "'~0.10'", "'<5'", "'1.0(+-)0.1'"],
    ),
    ("intarray", "query_int", &["'1&(2|!3)'"]),
    ("isn", "isbn", &["'978-0-393-04002-9'"]),
    ("isn", "ean13", &["'978-0-393-04002-9'"]),
    ("lo", "lo", &["123"]),
];

/// Text that only a database of UTF-8 can hold.
pub const UNICODE: &[&str] = &[
    "čeština 🙂",
    "\u{feff}bom",
    "\u{fffe}\u{ffff}\u{10ffff}",
    "e\u{301} é",
    "\u{202e}rtl",
    "\u{2028}\u{2029}\u{85}",
    "\u{80}\u{9f}\u{ad}",
    "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
    "\u{e000}\u{f8ff}\u{10ff80}\u{10ffe9}",
    "\u{d7ff}",
];

/// The objects that the types and values above need.
pub const OBJECTS: &str = r#"
    CREATE SCHEMA "Hidden Schema";
    CREATE TABLE things (id int PRIMARY KEY);
    CREATE TABLE "Hidden Schema".things (id int); CREATE TABLE "Hidden Schema"."Odd.Table" (id int);
    CREATE TYPE "Hidden Schema".mood AS ENUM ('so so', 'good', '', 'NULL', 'Quoted "x", {y}');
    CREATE TYPE "Hidden Schema"."Pair. 🙂" AS (n int, "t ""T"" 🙂" text, a int[], b text[]);
    CREATE TYPE nested AS (one "Hidden Schema"."Pair. 🙂", many "Hidden Schema"."Pair. 🙂"[], class regclass, f float8, m money);
    CREATE FUNCTION "Hidden Schema".twice(int) RETURNS int LANGUAGE sql AS 'SELECT $1 * 2';
    CREATE FUNCTION upper(int, int) RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE COLLATION "Hidden Schema"."Same" FROM "C";
    CREATE TEXT SEARCH CONFIGURATION "Hidden Schema".english (COPY = pg_catalog.english);
    CREATE TEXT SEARCH DICTIONARY "Hidden Schema".simple (TEMPLATE = pg_catalog.simple);
    CREATE DOMAIN short AS text CHECK (length(VALUE) < 9);
    CREATE FUNCTION is_percent(numeric) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN $1 BETWEEN 0 AND 100; END';
    CREATE DOMAIN percent AS numeric(5,2) CHECK (is_percent(VALUE)) NOT NULL;
    CREATE DOMAIN inner_deep AS numeric[]; CREATE DOMAIN deep AS inner_deep;
    CREATE TYPE float_range AS RANGE (subtype = float8, subtype_diff = float8mi, multirange_type_name = float_multirange);
    CREATE FUNCTION distance(int, int) RETURNS float8 IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1 - $2; END';
    CREATE TYPE even_range AS RANGE (subtype = int, subtype_diff = distance);
    CREATE TYPE counted; CREATE FUNCTION counted_in(cstring) RETURNS counted IMMUTABLE STRICT LANGUAGE internal AS 'int4in';
    CREATE FUNCTION counted_out(counted) RETURNS cstring IMMUTABLE STRICT LANGUAGE internal AS 'int4out';
    CREATE TYPE counted (INPUT = counted_in, OUTPUT = counted_out, LIKE = int4);
    CREATE TYPE spelled; CREATE FUNCTION spelled_in(cstring) RETURNS spelled IMMUTABLE STRICT LANGUAGE internal AS 'textin';
    CREATE FUNCTION spelled_out(spelled) RETURNS cstring IMMUTABLE STRICT LANGUAGE internal AS 'textout';
    CREATE TYPE spelled (INPUT = spelled_in, OUTPUT = spelled_out, LIKE = text);
    CREATE TABLE measured (a int, b int); INSERT INTO measured SELECT n % 10, n % 10 FROM generate_series(1, 500) n;
    CREATE STATISTICS measured_s (ndistinct, dependencies, mcv) ON a, b FROM measured; ANALYZE measured;
"#;

-- Reads the record where the extension's library cannot be loaded: row images that are zstd frames (RFC 8878, without
-- dictionaries, whose checksum is not looked at), in PL/pgSQL. A chunk of 128 kB takes a fifth of a second.
--
-- In an empty database it comes before the extension's own script. Where the extension is and only its library is not, it
-- takes the place of the library's function: when the library is back, CREATE OR REPLACE FUNCTION backstop.unpacked(images
-- bytea) RETURNS json LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'pg_backstop', 'backstop_unpacked' makes that again.

-- n bits (at most 40) of a stream whose first byte is its lowest, from bit q on.
CREATE FUNCTION backstop.zstd_bits(s bytea, q int, n int) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT ((get_byte(s, q >> 3)::bigint | (get_byte(s, (q >> 3) + 1)::bigint << 8) | (get_byte(s, (q >> 3) + 2)::bigint << 16)
        | (get_byte(s, (q >> 3) + 3)::bigint << 24) | (get_byte(s, (q >> 3) + 4)::bigint << 32)
        | (get_byte(s, (q >> 3) + 5)::bigint << 40)) >> (q & 7)) & ((1::bigint << n) - 1)
$$;

-- The place of the highest bit that is set.
CREATE FUNCTION backstop.zstd_highest(n bigint) RETURNS int LANGUAGE sql IMMUTABLE AS $$
    SELECT length(ltrim(n::bit(40)::text, '0')) - 1
$$;

-- The states of a finite state entropy table with so many counts of each symbol: (next state's base, bits, symbol) in one.
CREATE FUNCTION backstop.zstd_states(counts int[], log int) RETURNS int[] LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    size int := 1 << log;
    high int := size - 1;
    place int := 0;
    symbols int[] := array_fill(0, ARRAY[size], ARRAY[0]);
    next int[] := array_fill(0, ARRAY[array_length(counts, 1)], ARRAY[0]);
    states int[] := array_fill(0, ARRAY[size], ARRAY[0]);
    symbol int;
    n int;
    bits int;
BEGIN
    FOR symbol IN 0 .. array_upper(counts, 1) LOOP
        next[symbol] := abs(counts[symbol]);
        IF counts[symbol] = -1 THEN
            symbols[high] := symbol;
            high := high - 1;
        END IF;
    END LOOP;
    FOR symbol IN 0 .. array_upper(counts, 1) LOOP
        FOR n IN 1 .. counts[symbol] LOOP
            symbols[place] := symbol;
            LOOP
                place := (place + (size >> 1) + (size >> 3) + 3) & (size - 1);
                EXIT WHEN place <= high;
            END LOOP;
        END LOOP;
    END LOOP;
    FOR state IN 0 .. size - 1 LOOP
        symbol := symbols[state];
        n := next[symbol];
        next[symbol] := n + 1;
        bits := log - backstop.zstd_highest(n);
        states[state] := (((n << bits) - size) << 16) | (bits << 8) | symbol;
    END LOOP;
    RETURN states;
END $$;

-- Reads the counts of a table that begins at byte p: its logarithm, the byte behind it, the counts.
CREATE FUNCTION backstop.zstd_counts(s bytea, p int, OUT log int, OUT after int, OUT counts int[])
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    q int := p * 8 + 4;
    remaining int;
    symbol int := 0;
    bits int;
    value int;
    threshold int;
    again int;
BEGIN
    log := backstop.zstd_bits(s, p * 8, 4) + 5;
    remaining := 1 << log;
    counts := array_fill(0, ARRAY[256], ARRAY[0]);
    WHILE remaining > 0 LOOP
        bits := backstop.zstd_highest(remaining + 1) + 1;
        value := backstop.zstd_bits(s, q, bits);
        threshold := (1 << bits) - 2 - remaining;
        IF (value & ((1 << (bits - 1)) - 1)) < threshold THEN
            value := value & ((1 << (bits - 1)) - 1);
            bits := bits - 1;
        ELSIF value >= 1 << (bits - 1) THEN
            value := value - threshold;
        END IF;
        q := q + bits;
        counts[symbol] := value - 1;
        remaining := remaining - abs(value - 1);
        symbol := symbol + 1;
        IF value = 1 THEN
            LOOP
                again := backstop.zstd_bits(s, q, 2);
                q := q + 2;
                symbol := symbol + again;
                EXIT WHEN again < 3;
            END LOOP;
        END IF;
    END LOOP;
    after := (q + 7) / 8;
END $$;

-- A stream of n bytes from byte p on that is read from its end: with zeros on both sides, and the bits it has. Its first bit
-- is bit 64.
CREATE FUNCTION backstop.zstd_reversed(s bytea, p int, n int, OUT stream bytea, OUT bits int)
LANGUAGE sql IMMUTABLE AS $$
    SELECT '\x0000000000000000'::bytea || substring(s FROM p + 1 FOR n) || '\x0000000000000000'::bytea,
           n * 8 - 8 + backstop.zstd_highest(get_byte(s, p + n - 1))
$$;

-- Reads a Huffman tree at byte p: the longest code, the byte behind it, and for each value of so many bits symbol and length.
CREATE FUNCTION backstop.zstd_tree(s bytea, p int, OUT longest int, OUT after int, OUT codes int[])
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    head int := get_byte(s, p);
    weights int[] := array_fill(0, ARRAY[256], ARRAY[0]);
    n int := 0;
    total int := 0;
    header record;
    states int[];
    stream bytea;
    q int;
    one int;
    two int;
    swap int;
    bits int;
    k int;
BEGIN
    IF head >= 128 THEN
        after := p + 1 + (head - 126) / 2;
        FOR i IN 0 .. head - 128 LOOP
            weights[i] := (get_byte(s, p + 1 + i / 2) >> CASE i % 2 WHEN 0 THEN 4 ELSE 0 END) & 15;
        END LOOP;
        n := head - 127;
    ELSE
        after := p + 1 + head;
        header := backstop.zstd_counts(s, p + 1);
        states := backstop.zstd_states(header.counts, header.log);
        SELECT r.stream, 64 + r.bits INTO stream, q FROM backstop.zstd_reversed(s, header.after, after - header.after) AS r;
        one := backstop.zstd_bits(stream, q - header.log, header.log);
        two := backstop.zstd_bits(stream, q - 2 * header.log, header.log);
        q := q - 2 * header.log;
        LOOP
            IF n > 254 THEN
                RAISE EXCEPTION 'these row images are damaged' USING ERRCODE = 'data_corrupted';
            END IF;
            weights[n] := states[one] & 255;
            n := n + 1;
            bits := (states[one] >> 8) & 255;
            q := q - bits;
            IF q < 64 THEN
                weights[n] := states[two] & 255;
                n := n + 1;
                EXIT;
            END IF;
            swap := (states[one] >> 16) + backstop.zstd_bits(stream, q, bits);
            one := two;
            two := swap;
        END LOOP;
    END IF;
    FOR i IN 0 .. n - 1 LOOP
        total := total + ((1 << weights[i]) >> 1);
    END LOOP;
    longest := backstop.zstd_highest(total) + 1;
    k := (1 << longest) - total;
    IF longest > 11 OR k & (k - 1) <> 0 THEN
        RAISE EXCEPTION 'these row images are damaged' USING ERRCODE = 'data_corrupted';
    END IF;
    weights[n] := backstop.zstd_highest((1 << longest) - total) + 1;
    codes := array_fill(0, ARRAY[1 << longest], ARRAY[0]);
    q := 0;
    FOR weight IN 1 .. longest LOOP
        FOR i IN 0 .. n LOOP
            IF weights[i] = weight THEN
                FOR k IN 1 .. 1 << (weight - 1) LOOP
                    codes[q] := (i << 4) | (longest + 1 - weight);
                    q := q + 1;
                END LOOP;
            END IF;
        END LOOP;
    END LOOP;
END $$;

-- The symbols of a stream of Huffman codes.
CREATE FUNCTION backstop.zstd_symbols(s bytea, p int, n int, longest int, codes int[]) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    stream bytea;
    q int;
    mask int := (1 << longest) - 1;
    at int;
    code int;
    hex text := '';
    found text := '';
BEGIN
    SELECT r.stream, 64 + r.bits INTO stream, q FROM backstop.zstd_reversed(s, p, n) AS r;
    WHILE q > 64 LOOP
        at := q - longest;
        code := codes[((get_byte(stream, at >> 3) | (get_byte(stream, (at >> 3) + 1) << 8)
            | (get_byte(stream, (at >> 3) + 2) << 16)) >> (at & 7)) & mask];
        IF (code & 15) BETWEEN 1 AND longest IS NOT TRUE THEN
            RAISE EXCEPTION 'these row images are damaged' USING ERRCODE = 'data_corrupted';
        END IF;
        hex := hex || to_hex((code >> 4) | 256);
        q := q - (code & 15);
        IF length(hex) > 3000 THEN
            found := found || hex;
            hex := '';
        END IF;
    END LOOP;
    -- Each byte is written as 1xx.
    RETURN decode(regexp_replace(found || hex, '1(..)', '\1', 'g'), 'hex');
END $$;

CREATE FUNCTION backstop.zstd_content(frame bytea) RETURNS bytea LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    s bytea := frame || '\x0000000000000000'::bytea;
    p int := 5;
    head int := get_byte(frame, 4);
    wanted bigint;
    size int;
    last boolean;
    kind int;
    block int;
    block_end int;
    made bytea[] := '{}';
    -- What matches may reach back to: the blocks before, and this one's bytes.
    before bytea := '';
    now bytea;
    literals bytea;
    used int;
    streams int;
    plain int;
    packed int;
    sizes int[];
    tree record;
    header record;
    sequences int;
    modes int;
    mode int;
    -- Of literals' lengths, offsets and matches' lengths: states, logarithms, where one is, extra bits, bases.
    states1 int[];
    states2 int[];
    states3 int[];
    logs int[] := ARRAY[0, 0, 0];
    states int[];
    log int;
    state1 int;
    state2 int;
    state3 int;
    stream bytea;
    q int;
    code int;
    value bigint;
    match int;
    run int;
    distance int;
    recent int[] := ARRAY[1, 4, 8];
    nth int;
    piece bytea;
    run_bits int[] := '{0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1,1,1,1,2,2,3,3,4,6,7,8,9,10,11,12,13,14,15,16}';
    run_base int[] := '{0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,18,20,22,24,28,32,40,48,64,128,256,512,1024,2048,4096,8192,16384,
        32768,65536}';
    match_bits int[] := '{0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1,1,1,1,2,2,3,3,4,4,5,7,8,9,10,11,12,13,
        14,15,16}';
    match_base int[] := '{3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,37,39,41,43,
        47,51,59,67,83,99,131,259,515,1027,2051,4099,8195,16387,32771,65539}';
BEGIN
    IF substring(frame FROM 1 FOR 4) <> '\x28b52ffd' OR head & 3 <> 0 THEN
        RAISE EXCEPTION 'these are no row images' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    p := p + CASE WHEN head & 32 = 0 THEN 1 ELSE 0 END;
    CASE head >> 6
        WHEN 0 THEN
            wanted := CASE WHEN head & 32 <> 0 THEN get_byte(s, p) END;
            p := p + CASE WHEN head & 32 <> 0 THEN 1 ELSE 0 END;
        WHEN 1 THEN
            wanted := backstop.zstd_bits(s, p * 8, 16) + 256;
            p := p + 2;
        WHEN 2 THEN
            wanted := backstop.zstd_bits(s, p * 8, 32);
            p := p + 4;
        ELSE
            wanted := backstop.zstd_bits(s, p * 8, 40);
            p := p + 8;
    END CASE;
    LOOP
        block := backstop.zstd_bits(s, p * 8, 24);
        last := block & 1 = 1;
        kind := (block >> 1) & 3;
        size := block >> 3;
        p := p + 3;
        IF kind = 0 THEN
            now := substring(s FROM p + 1 FOR size);
            p := p + size;
        ELSIF kind = 1 THEN
            now := decode(repeat(encode(substring(s FROM p + 1 FOR 1), 'hex'), size), 'hex');
            p := p + 1;
        ELSE
            block_end := p + size;
            -- Literals.
            kind := get_byte(s, p) & 3;
            mode := (get_byte(s, p) >> 2) & 3;
            IF kind < 2 THEN
                IF mode & 1 = 0 THEN
                    plain := get_byte(s, p) >> 3;
                    p := p + 1;
                ELSIF mode = 1 THEN
                    plain := backstop.zstd_bits(s, p * 8, 16) >> 4;
                    p := p + 2;
                ELSE
                    plain := backstop.zstd_bits(s, p * 8, 24) >> 4;
                    p := p + 3;
                END IF;
                IF kind = 0 THEN
                    literals := substring(s FROM p + 1 FOR plain);
                    p := p + plain;
                ELSE
                    literals := decode(repeat(encode(substring(s FROM p + 1 FOR 1), 'hex'), plain), 'hex');
                    p := p + 1;
                END IF;
            ELSE
                streams := CASE mode WHEN 0 THEN 1 ELSE 4 END;
                size := CASE mode WHEN 3 THEN 18 WHEN 2 THEN 14 ELSE 10 END;
                plain := (backstop.zstd_bits(s, p * 8, 40) >> 4) & ((1 << size) - 1);
                packed := (backstop.zstd_bits(s, p * 8, 40) >> (4 + size)) & ((1 << size) - 1);
                p := p + (4 + 2 * size) / 8;
                packed := p + packed;
                IF kind = 2 THEN
                    tree := backstop.zstd_tree(s, p);
                    p := tree.after;
                END IF;
                IF streams = 1 THEN
                    literals := backstop.zstd_symbols(s, p, packed - p, tree.longest, tree.codes);
                ELSE
                    sizes := ARRAY[backstop.zstd_bits(s, p * 8, 16), backstop.zstd_bits(s, p * 8 + 16, 16),
                        backstop.zstd_bits(s, p * 8 + 32, 16)];
                    p := p + 6;
                    sizes := sizes || (packed - p - sizes[1] - sizes[2] - sizes[3]);
                    literals := '';
                    FOREACH size IN ARRAY sizes LOOP
                        literals := literals || backstop.zstd_symbols(s, p, size, tree.longest, tree.codes);
                        p := p + size;
                    END LOOP;
                END IF;
                p := packed;
            END IF;
            -- Sequences of literals and matches.
            sequences := get_byte(s, p);
            p := p + 1;
            IF sequences = 255 THEN
                sequences := backstop.zstd_bits(s, p * 8, 16) + 32512;
                p := p + 2;
            ELSIF sequences >= 128 THEN
                sequences := ((sequences - 128) << 8) + get_byte(s, p);
                p := p + 1;
            END IF;
            now := '';
            used := 0;
            IF sequences > 0 THEN
                modes := get_byte(s, p);
                p := p + 1;
                FOR nth IN 1 .. 3 LOOP
                    mode := (modes >> (8 - 2 * nth)) & 3;
                    CONTINUE WHEN mode = 3;
                    IF mode = 0 THEN
                        log := CASE nth WHEN 2 THEN 5 ELSE 6 END;
                        states := backstop.zstd_states(CASE nth
                            WHEN 1 THEN '[0:35]={4,3,2,2,2,2,2,2,2,2,2,2,2,1,1,1,2,2,2,2,2,2,2,2,2,3,2,1,1,1,1,1,-1,-1,-1,-1}'::int[]
                            WHEN 2 THEN '[0:28]={1,1,1,1,1,1,2,2,2,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,-1,-1,-1,-1,-1}'::int[]
                            ELSE '[0:52]={1,4,3,2,2,2,2,2,2,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,
                                -1,-1,-1,-1,-1,-1,-1}'::int[] END, log);
                    ELSIF mode = 1 THEN
                        log := 0;
                        states := array_fill(get_byte(s, p), ARRAY[1], ARRAY[0]);
                        p := p + 1;
                    ELSE
                        header := backstop.zstd_counts(s, p);
                        log := header.log;
                        states := backstop.zstd_states(header.counts, log);
                        p := header.after;
                    END IF;
                    logs[nth] := log;
                    IF nth = 1 THEN states1 := states; ELSIF nth = 2 THEN states2 := states; ELSE states3 := states; END IF;
                END LOOP;
                SELECT r.stream, 64 + r.bits INTO stream, q FROM backstop.zstd_reversed(s, p, block_end - p) AS r;
                q := q - logs[1];
                state1 := states1[backstop.zstd_bits(stream, q, logs[1])];
                q := q - logs[2];
                state2 := states2[backstop.zstd_bits(stream, q, logs[2])];
                q := q - logs[3];
                state3 := states3[backstop.zstd_bits(stream, q, logs[3])];
                FOR n IN 1 .. sequences LOOP
                    code := state2 & 255;
                    q := q - code;
                    value := (1::bigint << code) + backstop.zstd_bits(stream, q, code);
                    code := state3 & 255;
                    q := q - match_bits[code + 1];
                    match := match_base[code + 1] + backstop.zstd_bits(stream, q, match_bits[code + 1]);
                    code := state1 & 255;
                    q := q - run_bits[code + 1];
                    run := run_base[code + 1] + backstop.zstd_bits(stream, q, run_bits[code + 1]);
                    IF n < sequences THEN
                        code := (state1 >> 8) & 255;
                        q := q - code;
                        state1 := states1[(state1 >> 16) + backstop.zstd_bits(stream, q, code)];
                        code := (state3 >> 8) & 255;
                        q := q - code;
                        state3 := states3[(state3 >> 16) + backstop.zstd_bits(stream, q, code)];
                        code := (state2 >> 8) & 255;
                        q := q - code;
                        state2 := states2[(state2 >> 16) + backstop.zstd_bits(stream, q, code)];
                    END IF;
                    IF value > 3 THEN
                        distance := value - 3;
                        recent := ARRAY[distance, recent[1], recent[2]];
                    ELSE
                        nth := value + CASE run WHEN 0 THEN 1 ELSE 0 END;
                        distance := CASE nth WHEN 4 THEN recent[1] - 1 ELSE recent[nth] END;
                        IF nth > 2 THEN
                            recent := ARRAY[distance, recent[1], recent[2]];
                        ELSIF nth = 2 THEN
                            recent := ARRAY[distance, recent[1], recent[3]];
                        END IF;
                    END IF;
                    -- A block has no more than 128 kB.
                    IF (used + run <= length(literals) AND length(now) + run + match <= 131072
                        AND distance BETWEEN 1 AND length(before) + length(now) + run) IS NOT TRUE THEN
                        RAISE EXCEPTION 'these row images are damaged' USING ERRCODE = 'data_corrupted';
                    END IF;
                    now := now || substring(literals FROM used + 1 FOR run);
                    used := used + run;
                    IF distance <= length(now) THEN
                        piece := substring(now FROM length(now) - distance + 1 FOR least(distance, match));
                    ELSE
                        piece := substring(substring(before FROM length(before) + length(now) - distance + 1) || now
                            FROM 1 FOR least(distance, match));
                    END IF;
                    WHILE length(piece) < match LOOP
                        piece := piece || piece;
                    END LOOP;
                    now := now || substring(piece FROM 1 FOR match);
                END LOOP;
            END IF;
            now := now || substring(literals FROM used + 1);
            p := block_end;
        END IF;
        made := made || now;
        EXIT WHEN last;
        before := substring(before || now FROM greatest(1, length(before) + length(now) - 8388607));
    END LOOP;
    SELECT string_agg(part, '' ORDER BY place) INTO now FROM unnest(made) WITH ORDINALITY AS p(part, place);
    IF length(now) IS DISTINCT FROM wanted THEN
        RAISE EXCEPTION 'these row images are damaged' USING ERRCODE = 'data_corrupted';
    END IF;
    RETURN now;
END $$;

CREATE OR REPLACE FUNCTION backstop.unpacked(images bytea) RETURNS json LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT convert_from(CASE WHEN get_byte(images, 0) = 91 THEN images ELSE backstop.zstd_content(images) END,
                        getdatabaseencoding()::name)::json
$$;

"""Images and masks: what is read is what was meant, and what cannot be is said in a sentence."""

from __future__ import annotations

import gzip
import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from armillary.io import Image, ImageFileError, read_image, read_mask, write_image

PIXELS = np.arange(12, dtype=np.float32).reshape(3, 4)


@pytest.fixture
def store(tmp_path):
    """Write HDUs to a file, a primary one without pixels before the others; give its path."""

    def write(*hdus, name="image.fits"):
        path = tmp_path / name
        if not isinstance(hdus[0], fits.PrimaryHDU):
            hdus = (fits.PrimaryHDU(), *hdus)
        fits.HDUList(list(hdus)).writeto(path, output_verify="ignore")
        return path

    return write


def scaled(stored, **keywords):
    """An HDU whose integers stand for other values."""
    hdu = fits.PrimaryHDU(np.asarray(stored))
    hdu.header.update(keywords)
    return hdu


class TestPixels:
    @pytest.mark.parametrize("kind", ["u1", "i2", "i4", "i8", "f4", "f8"])
    def test_any_type_becomes_the_float_that_holds_it(self, store, kind):
        data = read_image(store(fits.PrimaryHDU(PIXELS.astype(kind)))).data
        assert data.dtype == np.result_type(kind, np.float32)
        assert data.dtype.isnative and data.flags.c_contiguous and data.flags.writeable
        np.testing.assert_array_equal(data, PIXELS)

    @pytest.mark.parametrize("kind", ["u2", "u4", "u8", "i1"])
    def test_integers_stored_with_an_offset_of_half_their_range(self, store, kind):
        limits = np.iinfo(kind)
        values = np.array([[limits.min, 0], [1, limits.max]], kind)
        path = store(fits.PrimaryHDU(values))
        assert "BZERO" in fits.getheader(path)
        data = read_image(path).data
        assert data.dtype == np.result_type(kind, np.float32)
        np.testing.assert_array_equal(data, values)

    def test_bscale_and_bzero_are_applied_without_loss(self, store):
        stored = np.array([[-32768, 0], [3, 32767]], np.int16)
        data = read_image(store(scaled(stored, BSCALE=0.1, BZERO=1000.0))).data
        assert data.dtype == np.float32
        np.testing.assert_array_equal(data, (stored * 0.1 + 1000.0).astype(np.float32))

    @pytest.mark.parametrize("blank", [-32768, 0, 7])
    @pytest.mark.parametrize("scale", [{}, {"BZERO": 32768}, {"BSCALE": 0.5, "BZERO": 3.0}])
    def test_blank_pixels_of_integers_are_nan(self, store, blank, scale):
        stored = np.array([[blank, 1], [2, blank]], np.int16)
        data = read_image(store(scaled(stored, BLANK=blank, **scale))).data
        np.testing.assert_array_equal(np.isnan(data), stored == blank)
        values = stored * scale.get("BSCALE", 1.0) + scale.get("BZERO", 0.0)
        np.testing.assert_array_equal(data[stored != blank], values[stored != blank])

    def test_blank_means_nothing_for_floats(self, store):
        assert read_image(store(scaled(PIXELS, BLANK=0))).data[0, 0] == 0.0

    def test_axes_of_length_one_in_front_are_dropped(self, store):
        path = store(fits.PrimaryHDU(PIXELS[np.newaxis, np.newaxis]))
        np.testing.assert_array_equal(read_image(path).data, PIXELS)

    def test_gzipped_files_are_read_whatever_their_name(self, store, tmp_path):
        odd = tmp_path / "image.fits"
        odd.write_bytes(gzip.compress(store(fits.PrimaryHDU(PIXELS), name="plain").read_bytes()))
        np.testing.assert_array_equal(read_image(str(odd)).data, PIXELS)

    @pytest.mark.parametrize("algorithm", ["RICE_1", "GZIP_2", "HCOMPRESS_1"])
    def test_images_compressed_in_tiles(self, store, algorithm):
        values = np.arange(600, dtype=np.int16).reshape(20, 30)
        path = store(fits.CompImageHDU(values, compression_type=algorithm), name="image.fits.fz")
        image = read_image(path)
        assert image.extension == 1 and image.data.dtype == np.float32
        np.testing.assert_array_equal(image.data, values)

    def test_blank_pixels_of_compressed_images_are_nan(self, store):
        floats = np.linspace(0.0, 1.0, 600, dtype=np.float32).reshape(20, 30)
        floats[3, 4] = np.nan
        data = read_image(store(fits.CompImageHDU(floats, quantize_level=64))).data
        np.testing.assert_array_equal(np.isnan(data), np.isnan(floats))
        np.testing.assert_allclose(data, floats, atol=0.01)
        unsigned = fits.CompImageHDU(np.arange(600, dtype=np.uint16).reshape(20, 30))
        unsigned.header["BLANK"] = -32768
        data = read_image(store(unsigned, name="unsigned.fits")).data
        assert np.flatnonzero(np.isnan(data)).tolist() == [0]
        assert data[-1, -1] == 599.0


class TestExtensions:
    @pytest.fixture
    def several(self, store):
        return store(
            fits.BinTableHDU.from_columns([fits.Column("x", "D", array=[1.0])], name="EVENTS"),
            fits.ImageHDU(np.zeros((2, 3, 4)), name="CUBE"),
            fits.ImageHDU(PIXELS, name="SCI"),
            fits.ImageHDU(PIXELS + 1, name="ERR"),
            fits.ImageHDU(PIXELS + 2, name="SCI", ver=2),
        )

    @pytest.mark.parametrize(
        ("extension", "number"),
        [(None, 3), (3, 3), (np.int64(4), 4), (5, 5), ("SCI", 3), (" err ", 4)],
    )
    def test_none_is_the_first_image_and_others_are_chosen_by_number_or_name(
        self, several, extension, number
    ):
        image = read_image(several, extension=extension)
        assert image.extension == number
        np.testing.assert_array_equal(image.data, PIXELS + number - 3)
        assert image.header["EXTNAME"] == fits.getheader(several, number)["EXTNAME"]

    @pytest.mark.parametrize("extension", [9, "DQ"])
    def test_one_that_is_not_there_is_refused_with_those_that_are(self, several, extension):
        sentence = (
            rf"no HDU {extension!r}, only 0 \(PRIMARY: no pixels\), 1 \(EVENTS: a table\), "
            r"2 \(CUBE: an array of shape \(2, 3, 4\)\), 3 \(SCI: an array of shape \(3, 4\)\)"
        )
        with pytest.raises(ImageFileError, match=sentence):
            read_image(several, extension=extension)

    @pytest.mark.parametrize(
        ("extension", "found"),
        [
            (0, "no pixels"),
            ("primary", "no pixels"),
            ("EVENTS", "a table"),
            (2, r"an array of shape \(2, 3, 4\)"),
        ],
    )
    def test_one_without_a_two_dimensional_image_is_refused(self, several, extension, found):
        with pytest.raises(ImageFileError, match=f"holds {found}, no two-dimensional image"):
            read_image(several, extension=extension)

    @pytest.mark.parametrize("extension", [-1, True, 1.0, "", " ", ("SCI", 1)])
    def test_what_is_neither_number_nor_name_is_refused(self, several, extension):
        for read in (read_image, read_mask):
            with pytest.raises(ValueError, match="extension must be a number from 0 on, a name"):
                read(several, extension=extension)


class TestTheFile:
    def test_it_says_where_it_came_from(self, store):
        path = store(scaled(PIXELS.astype(np.int16), BSCALE=2.0, GAIN=1.5))
        image = read_image(str(path))
        assert image.path == path and image.extension == 0
        assert image.header["GAIN"] == 1.5
        assert (image.header["BITPIX"], image.header["BSCALE"]) == (16, 2.0)
        assert repr(image) == "<Image image.fits, HDU 0: 3 rows, 4 columns, float32>"

    def test_an_image_can_be_pickled(self, store):
        image = pickle.loads(pickle.dumps(read_image(store(fits.PrimaryHDU(PIXELS)))))
        assert isinstance(image, Image)
        np.testing.assert_array_equal(image.data, PIXELS)

    def test_reading_is_quiet_in_any_number_of_threads(self, store):
        path = store(fits.PrimaryHDU(PIXELS), name="plain.fits")
        path.write_bytes(path.read_bytes()[:-100])  # astropy warns of padding that is missing
        before = list(warnings.filters)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with ThreadPoolExecutor(4) as pool:
                shapes = set(pool.map(lambda _: read_image(path).data.shape, range(20)))
        assert shapes == {(3, 4)}
        assert warnings.filters == before

    @pytest.mark.parametrize("read", [read_image, read_mask])
    def test_a_missing_file(self, read, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"there is no file .*nothing\.fits"):
            read(tmp_path / "nothing.fits")

    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            (b"", "the file is empty"),
            (b"x, y\n1, 2\n", "it is no FITS file"),
            (gzip.compress(b"", mtime=0), "the file is empty"),
            (
                gzip.compress(bytes(range(256)) * 20, mtime=0)[:-40],
                "gzipped file is truncated or damaged",
            ),
            (b"SIMPLE  =                    T", r"truncated or damaged \("),
        ],
    )
    @pytest.mark.parametrize(("read", "kind"), [(read_image, "an image"), (read_mask, "a mask")])
    def test_content_that_is_no_image(self, read, kind, content, sentence, tmp_path):
        path = tmp_path / "image.fits"
        path.write_bytes(content)
        with pytest.raises(
            ImageFileError, match=rf"cannot read .*image\.fits' as {kind}: .*{sentence}"
        ):
            read(path)

    def test_a_directory(self, tmp_path):
        with pytest.raises(ImageFileError, match="it is a directory"):
            read_image(tmp_path)

    def test_a_file_without_images(self, store):
        table = fits.BinTableHDU.from_columns([fits.Column("x", "D", array=[1.0])], name="LIST")
        sentence = r"no two-dimensional image, only 0 \(PRIMARY: no pixels\), 1 \(LIST: a table\)"
        with pytest.raises(ImageFileError, match=sentence):
            read_image(store(table))

    @pytest.mark.parametrize("compressed", [False, True])
    def test_a_truncated_file_is_read_right_or_not_at_all(self, store, compressed):
        noise = np.random.default_rng(1).integers(0, 3000, (60, 50)).astype(np.int32)
        kind = fits.CompImageHDU if compressed else fits.ImageHDU
        path = store(kind(noise))
        whole = path.read_bytes()
        sentences = []
        for length in range(len(whole) - 1, 30, -211):
            path.write_bytes(whole[:length])
            try:
                data = read_image(path).data
            except ImageFileError as error:
                sentences.append(str(error))
            else:
                np.testing.assert_array_equal(data, noise)
        assert len(sentences) > 20
        assert all("truncated" in sentence for sentence in sentences)

    @pytest.mark.parametrize("keyword", ["BITPIX", "NAXIS1"])
    @pytest.mark.parametrize("read", [read_image, read_mask])
    def test_a_first_header_that_is_corrupt_is_told(self, store, read, keyword):
        path = store(fits.PrimaryHDU(PIXELS))
        content = path.read_bytes()
        for damage in (b"\xff", b"("):
            path.write_bytes(content.replace(f"{keyword:8}= ".encode(), keyword.encode() + damage))
            with pytest.raises(ImageFileError, match="truncated or damaged"):
                read(path)

    def test_a_header_that_cannot_be_read_is_told(self, store):
        path = store(fits.ImageHDU(PIXELS))
        content = bytearray(path.read_bytes())
        place = content.find(b"NAXIS1", 2880)
        content[place + 10 : place + 30] = b"four".rjust(20)
        path.write_bytes(content)
        with pytest.raises(ImageFileError, match="the header of an extension cannot be read"):
            read_image(path)


class TestWriting:
    @given(
        pixels=hnp.arrays(
            st.sampled_from(["<f4", ">f4", "<f8", ">f8"]),
            hnp.array_shapes(min_dims=2, max_dims=2, max_side=5),
            elements=st.floats(width=32),
        ),
        suffix=st.sampled_from(["fits", "fits.gz"]),
    )
    def test_floats_come_back_bit_by_bit(self, tmp_path_factory, pixels, suffix):
        path = tmp_path_factory.mktemp("images") / f"image.{suffix}"
        before = pixels.tobytes()
        write_image(path, pixels)
        assert pixels.tobytes() == before
        data = read_image(path).data
        assert data.dtype == pixels.dtype.newbyteorder("=")
        np.testing.assert_array_equal(data, pixels)

    @pytest.mark.parametrize("kind", ["?", "i1", "u1", "i2", "<u2", ">u2", "i4", "u4", "i8", "u8"])
    def test_integers_and_booleans_keep_their_values(self, tmp_path, kind):
        values = np.array([[0, 1], [1, 100]]).astype(kind)
        write_image(tmp_path / "image.fits", values)
        stored = fits.getdata(tmp_path / "image.fits")
        assert stored.dtype.itemsize == values.dtype.itemsize
        np.testing.assert_array_equal(stored, values)
        np.testing.assert_array_equal(read_mask(tmp_path / "image.fits"), values != 0)

    def test_the_name_decides_what_is_gzipped(self, tmp_path):
        write_image(tmp_path / "image.fits.gz", PIXELS)
        write_image(tmp_path / "image.fits", PIXELS)
        assert gzip.decompress((tmp_path / "image.fits.gz").read_bytes()) == (
            (tmp_path / "image.fits").read_bytes()
        )

    def test_the_sky_stays_and_the_layout_is_that_of_the_new_pixels(self, store, tmp_path):
        wcs = WCS(naxis=2)
        wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
        wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt = (150.0, 2.0), (1.0, 2.0), (-1e-4, 1e-4)
        old = scaled(PIXELS.astype(np.int16), BSCALE=2.0, BZERO=5.0, BLANK=3, DATAMAX=11.0)
        old.header.update(wcs.to_header())
        old.header["OBJECT"] = ("NGC 1", "the target")
        old.header.add_history("flat fielded")
        old.add_checksum()
        image = read_image(store(old))
        path = tmp_path / "new.fits"
        write_image(path, image.data[:, 1:], header=image.header)
        with fits.open(path, checksum=True) as hdus:
            header = hdus[0].header
            assert not {"BSCALE", "BZERO", "BLANK", "DATAMAX", "CHECKSUM", "DATASUM"} & {*header}
            assert (header["BITPIX"], header["NAXIS1"], header["NAXIS2"]) == (-32, 3, 3)
            assert header.cards["OBJECT"][1:] == ("NGC 1", "the target")
            assert list(header["HISTORY"]) == ["flat fielded"]
            np.testing.assert_allclose(
                WCS(header).wcs_pix2world([[3.0, 7.0]], 0), wcs.wcs_pix2world([[3.0, 7.0]], 0)
            )
        np.testing.assert_array_equal(read_image(path).data, image.data[:, 1:])
        assert image.header["BSCALE"] == 2.0

    def test_the_header_of_an_extension_becomes_that_of_a_primary(self, store, tmp_path):
        extension = fits.CompImageHDU(PIXELS.astype(np.int16), name="SCI")
        extension.header["INHERIT"] = True
        image = read_image(store(extension))
        write_image(tmp_path / "new.fits", image.data, header=image.header)
        with fits.open(tmp_path / "new.fits") as hdus:
            hdus.verify("exception")
            assert len(hdus) == 1 and "INHERIT" not in hdus[0].header

    def test_a_file_that_is_there_is_replaced_only_when_asked(self, tmp_path):
        path = tmp_path / "image.fits"
        write_image(path, PIXELS, header={"N": 1})
        with pytest.raises(FileExistsError, match=r"image\.fits' exists; pass overwrite=True"):
            write_image(path, PIXELS + 1)
        assert read_image(path).header["N"] == 1
        write_image(path, PIXELS + 1, overwrite=True)
        np.testing.assert_array_equal(read_image(path).data, PIXELS + 1)

    def test_what_fails_leaves_the_older_file_and_nothing_else(self, tmp_path, monkeypatch):
        path = tmp_path / "image.fits"
        write_image(path, PIXELS)

        def full(hdu, file, **options):
            file.write(b"SIMPLE")
            raise OSError("no space left on device")

        monkeypatch.setattr(fits.PrimaryHDU, "writeto", full)
        with pytest.raises(OSError, match="no space left"):
            write_image(path, PIXELS + 1, overwrite=True)
        assert [found.name for found in tmp_path.iterdir()] == ["image.fits"]
        np.testing.assert_array_equal(read_image(path).data, PIXELS)

    def test_a_folder_that_is_not_there(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="there is no folder"):
            write_image(tmp_path / "no" / "image.fits", PIXELS)

    @pytest.mark.parametrize(
        ("data", "error", "sentence"),
        [
            (np.zeros(3), ValueError, r"two dimensions and pixels, not the shape \(3,\)"),
            (np.zeros((2, 3, 4)), ValueError, r"not the shape \(2, 3, 4\)"),
            (np.zeros((0, 4)), ValueError, r"not the shape \(0, 4\)"),
            (PIXELS.astype(complex), TypeError, "not complex128"),
            (PIXELS.astype(np.float16), TypeError, "not float16"),
            (PIXELS.astype(str), TypeError, "float32, float64, integers or booleans, not <U"),
            (np.ma.masked_less(PIXELS, 3), ValueError, "data is a masked array"),
        ],
    )
    def test_data_that_fits_cannot_hold_are_refused(self, tmp_path, data, error, sentence):
        with pytest.raises(error, match=sentence):
            write_image(tmp_path / "image.fits", data)
        assert not list(tmp_path.iterdir())

    def test_a_unit_is_not_dropped_in_silence(self, tmp_path):
        from astropy import units

        with pytest.raises(ValueError, match="data has a unit; give its value, and BUNIT = 'Jy'"):
            write_image(tmp_path / "image.fits", PIXELS * units.Jy)


def bitmap(good):
    """Pack a bitmap pixel by pixel, as the programs that write them do."""
    rows, columns = good.shape
    n_pixels = good.size
    octets = bytearray(2 * -(-n_pixels // 16))
    in_last_octet = n_pixels % 8 or 8
    for i, is_good in enumerate(good.ravel()):
        place = i % 8 + (8 - in_last_octet if i >= n_pixels - in_last_octet else 0)
        octets[i // 8] |= bool(is_good) << place
    octets[0::2], octets[1::2] = octets[1::2], octets[0::2]
    cards = [f"{'SIMPLE':8}= {'T':>20}"] + [
        f"{key:8}= {value:>20}"
        for key, value in {"BITPIX": 1, "NAXIS": 2, "NAXIS1": columns, "NAXIS2": rows}.items()
    ]
    header = "".join(f"{card:80}" for card in (*cards, "END")).encode()
    return header.ljust(2880) + bytes(octets).ljust(2880, b"\0")


class TestMasks:
    @pytest.mark.parametrize("kind", ["u1", "i2", "i4", "f4"])
    def test_what_is_not_zero_cannot_be_used(self, store, kind):
        values = np.array([[0, 1, 2], [64, 0, 0]], kind)
        mask = read_mask(store(fits.PrimaryHDU(values)))
        assert mask.dtype == np.bool_ and mask.flags.c_contiguous
        np.testing.assert_array_equal(mask, values != 0)

    def test_nor_what_is_blank(self, store):
        values = np.array([[0.0, np.nan], [0.0, -1.0]])
        np.testing.assert_array_equal(read_mask(store(fits.PrimaryHDU(values))), values != 0.0)
        blank = scaled(np.array([[0, 9], [0, 1]], np.int16), BLANK=9)
        path = store(blank, name="blank.fits")
        np.testing.assert_array_equal(read_mask(path), [[False, True], [False, True]])

    def test_the_extension_is_chosen_as_in_images(self, store):
        path = store(
            fits.ImageHDU(np.zeros((2, 2)), name="SCI"),
            fits.CompImageHDU(np.eye(2, dtype=np.int16), name="DQ", compression_type="PLIO_1"),
        )
        assert not read_mask(path).any()
        np.testing.assert_array_equal(read_mask(path, extension="dq"), np.eye(2, dtype=bool))

    def test_another_shape_than_that_of_the_image_is_refused(self, store):
        path = store(fits.PrimaryHDU(PIXELS))
        assert read_mask(path, shape=[3, 4]).shape == (3, 4)
        sentence = r"its shape is \(3, 4\), that of the image \(4, 3\)"
        with pytest.raises(ImageFileError, match=sentence):
            read_mask(path, shape=(4, 3))

    @given(good=hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=13)))
    def test_bitmaps_of_any_shape(self, tmp_path_factory, good):
        path = tmp_path_factory.mktemp("masks") / "galaxy.dmask"
        path.write_bytes(bitmap(good))
        np.testing.assert_array_equal(read_mask(path, shape=good.shape), ~good)
        np.testing.assert_array_equal(read_mask(path, extension="primary"), ~good)

    def test_what_is_wrong_with_a_bitmap_is_told(self, tmp_path):
        path = tmp_path / "galaxy.dmask"
        path.write_bytes(bitmap(np.ones((7, 5), bool)))
        with pytest.raises(ImageFileError, match=r"it is a bitmap \(BITPIX = 1\), which read_mask"):
            read_image(path)
        with pytest.raises(ImageFileError, match="it holds no HDU 1, only a bitmap"):
            read_mask(path, extension=1)
        with pytest.raises(ImageFileError, match=r"its shape is \(7, 5\)"):
            read_mask(path, shape=(5, 7))
        content = path.read_bytes()
        path.write_bytes(content[: 2880 + 4])
        with pytest.raises(ImageFileError, match="truncated: it has 4 bytes, of at least 6"):
            read_mask(path)
        path.write_bytes(
            content.replace(b"NAXIS   =                    2", b"NAXIS   =                    1")
        )
        with pytest.raises(ImageFileError, match="not rows and columns"):
            read_mask(path)


class TestRealImages:
    @pytest.mark.parametrize(
        ("name", "shape"),
        [
            ("M51.fits", (512, 512)),
            ("synth_highsnr.fits", (512, 512)),
            ("u12517j.fits.gz", (1022, 1025)),
            ("n3073rss_small.fits", (200, 150)),
            ("pgc57129_r.fits", (550, 550)),
            ("pgc57129_g.fits", (550, 550)),
            ("NGC4037_r.fits", (792, 792)),
        ],
    )
    def test_every_image_is_read_and_survives_a_round_trip(self, image_data, tmp_path, name, shape):
        image = read_image(image_data / name)
        assert image.data.shape == shape
        assert np.isfinite(image.data).all()
        stored, header = fits.getdata(image_data / name, header=True, do_not_scale_image_data=True)
        values = stored * header.get("BSCALE", 1.0) + header.get("BZERO", 0.0)
        np.testing.assert_array_equal(image.data, values.astype(image.data.dtype))
        write_image(tmp_path / "copy.fits", image.data, header=image.header)
        copy = read_image(tmp_path / "copy.fits")
        np.testing.assert_array_equal(copy.data, image.data)
        assert copy.data.dtype == image.data.dtype

    @pytest.mark.parametrize("name", ["M51_table.fits", "m51_isoster_results.fits"])
    def test_tables_are_no_images(self, image_data, name):
        with pytest.raises(ImageFileError, match=r"no two-dimensional image, only .*a table"):
            read_image(image_data / name)

    def test_the_mask_of_ugc_12517_lies_on_stars_and_other_galaxies(self, image_data):
        image = read_image(image_data / "u12517j.fits.gz").data
        mask = read_mask(image_data / "u12517j.dmask", shape=image.shape)
        assert 0.001 < mask.mean() < 0.3
        y, x = np.indices(image.shape)
        outside = np.hypot(x - 567, y - 562) > 150  # the centre as published with the image
        brightest = outside & (image > np.percentile(image[outside], 99.5))
        assert mask[brightest].mean() > 5 * mask[outside].mean()
        # A wrong order of bits frays the borders of the masked regions: next pixels would then
        # differ more than twice as often, along rows or along columns.
        along_rows = np.mean(mask[:, 1:] != mask[:, :-1])
        along_columns = np.mean(mask[1:] != mask[:-1])
        assert along_rows < 0.01 and along_columns < 0.01

    def test_the_mask_of_ngc_3073(self, image_data):
        image = read_image(image_data / "n3073rss_small.fits").data
        mask = read_mask(image_data / "n3073rss_small_mask.fits", shape=image.shape)
        assert 0.001 < mask.mean() < 0.3

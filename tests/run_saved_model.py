"""Run a SavedModel as TensorFlow Serving does: C++ loader and runtime, no Python of TensorFlow.

Run as a script, it reads a pickled dictionary from stdin: `library` (path of
libtensorflow_cc), `folder` (the SavedModel) and `requests`, each `(feeds, fetch)` with feeds
`{tensor name: value}`. A value is an array (of type object where it holds bytes), a list of
bytes, or `(array, shape)`, which is repeated to a shape that may be more than NumPy takes. It
writes a pickled dictionary to stdout: `answers`, each `(status code, message, array
or list of bytes)`, `operations`, a serialised OpList, and `modules`, what Python had imported.
"""

import ctypes
import pickle
import sys

import numpy as np

_STRING = 7
TYPES = {  # TF_DataType of NumPy's types
    "float32": 1,
    "float64": 2,
    "int32": 3,
    "uint8": 4,
    "int16": 5,
    "int8": 6,
    "object": _STRING,
    "complex64": 8,
    "int64": 9,
    "bool": 10,
    "uint16": 17,
    "complex128": 18,
    "float16": 19,
    "uint32": 22,
    "uint64": 23,
}
_STRING_BYTES = 24  # sizeof(TF_TString)
_int, _int64, _size = ctypes.c_int, ctypes.c_int64, ctypes.c_size_t
_pointer, _text = ctypes.c_void_p, ctypes.c_char_p
_pointers, _texts = ctypes.POINTER(_pointer), ctypes.POINTER(_text)


class Buffer(ctypes.Structure):
    _fields_ = (("data", _pointer), ("length", _size), ("free", _pointer))


class Output(ctypes.Structure):
    _fields_ = (("operation", _pointer), ("index", _int))


_outputs = ctypes.POINTER(Output)
_load_types = (_pointer, _pointer, _text, _texts, _int, _pointer, _pointer, _pointer)
_ends = (_outputs, _pointers, _int)  # where a run is fed or fetched
_run_types = (_pointer, _pointer, *_ends, *_ends, _pointer, _int, _pointer, _pointer)

# Result and arguments of each function that is called.
_FUNCTIONS = {
    "TF_NewStatus": (_pointer,),
    "TF_DeleteStatus": (None, _pointer),
    "TF_GetCode": (_int, _pointer),
    "TF_Message": (_text, _pointer),
    "TF_NewSessionOptions": (_pointer,),
    "TF_NewGraph": (_pointer,),
    "TF_LoadSessionFromSavedModel": (_pointer, *_load_types),
    "TF_GraphOperationByName": (_pointer, _pointer, _text),
    "TF_SessionRun": (None, *_run_types),
    "TF_AllocateTensor": (_pointer, _int, ctypes.POINTER(_int64), _int, _size),
    "TF_DeleteTensor": (None, _pointer),
    "TF_TensorType": (_int, _pointer),
    "TF_NumDims": (_int, _pointer),
    "TF_Dim": (_int64, _pointer, _int),
    "TF_TensorData": (_pointer, _pointer),
    "TF_TensorByteSize": (_size, _pointer),
    "TF_StringInit": (None, _pointer),
    "TF_StringCopy": (None, _pointer, _text, _size),
    "TF_StringDealloc": (None, _pointer),
    "TF_StringGetDataPointer": (_pointer, _pointer),
    "TF_StringGetSize": (_size, _pointer),
    "TF_GetAllOpList": (ctypes.POINTER(Buffer),),
}


class Session:
    """A SavedModel that is loaded; `run` may be called from several threads at once.

    Args:
        library: Path of libtensorflow_cc.
        folder: The SavedModel.
    """

    def __init__(self, library: str, folder: str):
        self._tf = tf = _load(library)
        self._graph, status = tf.TF_NewGraph(), tf.TF_NewStatus()
        options, tags = tf.TF_NewSessionOptions(), (_text * 1)(b"serve")
        self._session = tf.TF_LoadSessionFromSavedModel(
            options, None, folder.encode(), tags, 1, self._graph, None, status
        )
        if tf.TF_GetCode(status):
            raise RuntimeError(tf.TF_Message(status).decode())

    def operations(self) -> bytes:
        """All operations that the runtime knows, a serialised OpList."""
        listed = self._tf.TF_GetAllOpList().contents
        return ctypes.string_at(listed.data, listed.length)

    def run(self, feeds: dict, fetch: str) -> tuple:
        """Status code, message, and an array or a list of bytes."""
        tf, graph, status = self._tf, self._graph, self._tf.TF_NewStatus()
        inputs = (Output * len(feeds))(*(_output(tf, graph, name) for name in feeds))
        values = (_pointer * len(feeds))(*(_tensor(tf, value) for value in feeds.values()))
        outputs, results = (Output * 1)(_output(tf, graph, fetch)), (_pointer * 1)()
        ends = (inputs, values, len(feeds), outputs, results, 1)
        tf.TF_SessionRun(self._session, None, *ends, None, 0, None, status)
        code = tf.TF_GetCode(status)
        message = tf.TF_Message(status).decode(errors="replace")
        answer = (code, message, None if code else _value(tf, results[0]))
        for tensor in values:
            for place in _strings(tf, tensor):
                tf.TF_StringDealloc(place)
        for tensor in [*values, *results]:
            if tensor:
                tf.TF_DeleteTensor(tensor)
        tf.TF_DeleteStatus(status)
        return answer


def main():
    task = pickle.load(sys.stdin.buffer)
    session = Session(task["library"], task["folder"])
    answers = [session.run(*request) for request in task["requests"]]
    result = {
        "answers": answers,
        "operations": session.operations(),
        "modules": sorted(sys.modules),
    }
    pickle.dump(result, sys.stdout.buffer)


def _load(path):
    library = ctypes.CDLL(path)
    for name, (result, *arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def _output(tf, graph, name):
    operation, index = name.split(":")
    found = tf.TF_GraphOperationByName(graph, operation.encode())
    if not found:
        raise RuntimeError(f"no operation {operation}")
    return Output(found, int(index))


def _tensor(tf, value):
    value, shape = value if isinstance(value, tuple) else (value, None)
    value = np.array(value, object) if isinstance(value, list) else np.asarray(value)
    shape = value.shape if shape is None else shape
    value = np.ascontiguousarray(np.broadcast_to(value, shape if np.all(shape) else 0))
    strings = value.dtype == object
    size = _STRING_BYTES * value.size if strings else value.nbytes
    dims = (_int64 * len(shape))(*shape)
    tensor = tf.TF_AllocateTensor(TYPES[value.dtype.name], dims, len(shape), size)
    if strings:
        for place, content in zip(_strings(tf, tensor), value.flat, strict=True):
            tf.TF_StringInit(place)
            tf.TF_StringCopy(place, content, len(content))
    else:
        ctypes.memmove(tf.TF_TensorData(tensor), value.ctypes.data, size)
    return tensor


def _strings(tf, tensor):
    """Addresses of a tensor's strings; none where it holds other values."""
    if tf.TF_TensorType(tensor) != _STRING:
        return range(0)
    data = tf.TF_TensorData(tensor) or 0
    return range(data, data + tf.TF_TensorByteSize(tensor), _STRING_BYTES)


def _value(tf, tensor):
    if tf.TF_TensorType(tensor) == _STRING:
        return [
            ctypes.string_at(tf.TF_StringGetDataPointer(place), tf.TF_StringGetSize(place))
            for place in _strings(tf, tensor)
        ]
    shape = [tf.TF_Dim(tensor, axis) for axis in range(tf.TF_NumDims(tensor))]
    content = ctypes.string_at(tf.TF_TensorData(tensor), tf.TF_TensorByteSize(tensor))
    return np.frombuffer(content, "float32").reshape(shape)


if __name__ == "__main__":
    main()
